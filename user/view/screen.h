/* SPDX-License-Identifier: BSD-2-Clause */
/* The only owner of the terminal: takes it, shows canvases, gives it back however the process ends. One at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "view/canvas.h"

struct screen;

/* Takes the terminal of stdin and stdout. color false: no colours, reverse only. 0; -ENOTTY, -EINVAL (TERM unknown),
 * -errno with why. */
int screen_open(bool color, struct screen **ret, char *why);
struct screen *screen_close(struct screen *s); /* NULL is fine; twice is impossible */
/* Size of the terminal as the kernel says it now. */
void screen_size(int *rows, int *cols);
/* Shows a canvas of the terminal's size: only what changed is written. 0; -EAGAIN: the terminal takes nothing at the
 * moment, again later; -EIO: it is gone. */
int screen_show(struct screen *s, const struct canvas *c);
/* After a change of size, or when the process came back from being stopped: everything is written anew by the next
 * screen_show(). */
void screen_restart(struct screen *s);
/* True once after the process was stopped (Ctrl-Z) and continued. */
bool screen_came_back(struct screen *s);
/* Bytes from the keyboard, without waiting: their number, 0 nothing there, -EIO the terminal is gone. */
int screen_read(struct screen *s, void *buf, size_t sz);
/* Asks the terminal to put text into the clipboard (OSC 52). False: this one would print it instead. */
bool screen_copy(struct screen *s, const char *text);
