/* SPDX-License-Identifier: BSD-2-Clause */
/* Reasons in words beside error numbers: what a person is shown when something is refused. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

int err_why(char *why, int err, const char *fmt, ...)
{
	va_list ap;

	if (!why)
		return err;
	va_start(ap, fmt);
	vsnprintf(why, WHY_SZ, fmt, ap);
	va_end(ap);
	return err;
}
