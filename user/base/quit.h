/* SPDX-License-Identifier: BSD-2-Clause */
/* The loop blocks the signals that end a program and reads them from a descriptor; a write to a pipe that nobody reads
 * would then never end. Around such writes they interrupt again, and come to the loop afterwards. */
#pragma once

/* Between these two a blocking call ends with EINTR at SIGINT, SIGTERM or SIGHUP, which is sent again to the loop. Not
 * nested; one thread. */
void quit_window_open(void);
void quit_window_close(void);
