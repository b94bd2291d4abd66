/* SPDX-License-Identifier: BSD-2-Clause */
/* Cleanup attributes for descriptors, streams and heap memory. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}
static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}
#define _cleanup_close_  __attribute__((cleanup(cleanup_close)))
#define _cleanup_free_   __attribute__((cleanup(cleanup_free)))
#define _cleanup_fclose_ __attribute__((cleanup(cleanup_fclose)))
#define ARRAY_SIZE(a)    (sizeof(a) / sizeof((a)[0]))
