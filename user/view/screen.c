/* SPDX-License-Identifier: BSD-2-Clause */
/* ncurses draws, but does not read and owns no signal: keys are decoded in keys.c, and its handlers (SIGINT, SIGTERM,
 * SIGTSTP, SIGWINCH) would come between the event loop and its signals.
 *
 * The terminal must be sane again however the process ends. The sequences that restore it are made beforehand from the
 * terminal's description, so that the handlers of fatal signals only need write(2), tcsetattr(3) and raise(3)
 * (signal-safety(7)); they run on a stack of their own, because an overflown stack is one of the reasons. */
#include "view/screen.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

#define SEQUENCE_SZ 256
#define STACK_SZ    (64u * 1024)
#define COPY_MAX    8192 /* terminals cut or refuse long OSC sequences; xterm's bound is far above this */

static const int fatal[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT};

struct screen {
	SCREEN *curses;
	bool color;
	bool failed_before; /* the last screen_show() could not write */
	struct canvas shown;
	attr_t attrs[GRADE_CRITICAL + 1];
	short pairs[GRADE_CRITICAL + 1];
};

/* What signal handlers need, hence static: there is one terminal. */
static struct {
	volatile sig_atomic_t taken;
	volatile sig_atomic_t came_back;
	struct termios before, ours;
	char leave[SEQUENCE_SZ], enter[SEQUENCE_SZ];
	size_t leave_len, enter_len;
	struct sigaction old_fatal[ARRAY_SIZE(fatal)], old_stop;
	stack_t old_stack;
	char *stack; /* owned */
} term;

/* Everything here is allowed in a signal handler. */
static void write_all(const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, text, len);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void leave_terminal(void)
{
	write_all(term.leave, term.leave_len);
	tcsetattr(STDIN_FILENO, TCSANOW, &term.before);
}

/* Also of exit() somewhere below. */
static void leave_if_taken(void)
{
	if (!term.taken)
		return;
	term.taken = 0;
	leave_terminal();
}

static void on_fatal(int signo)
{
	leave_if_taken();
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		if (fatal[i] == signo)
			sigaction(signo, &term.old_fatal[i], NULL);
	raise(signo);
}

/* Ctrl-Z: leaves the terminal as it was, stops, and takes it again. The loop then redraws. */
static void on_stop(int signo)
{
	int saved = errno;

	leave_terminal();
	raise(SIGSTOP);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &term.ours);
	write_all(term.enter, term.enter_len);
	term.came_back = 1;
	errno = saved;
}

/* Appends a capability without its padding ("$<5>"): tputs() is not for handlers. */
static void add_capability(char *buf, size_t *len, const char *name)
{
	const char *text = tigetstr((char *)name);

	if (!text || text == (char *)-1)
		return;
	while (*text && *len < SEQUENCE_SZ) {
		const char *end = text[0] == '$' && text[1] == '<' ? strchr(text, '>') : NULL;

		if (end)
			text = end + 1;
		else
			buf[(*len)++] = *text++;
	}
}

static void prepare_sequences(void)
{
	static const char *const leave[] = {"sgr0", "op", "rmkx", "cnorm", "rmcup"};
	static const char *const enter[] = {"smcup", "smkx", "civis"};

	term.leave_len = term.enter_len = 0;
	for (size_t i = 0; i < ARRAY_SIZE(leave); i++)
		add_capability(term.leave, &term.leave_len, leave[i]);
	for (size_t i = 0; i < ARRAY_SIZE(enter); i++)
		add_capability(term.enter, &term.enter_len, enter[i]);
}

static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_fatal, .sa_flags = SA_ONSTACK};
	struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};

	term.stack = malloc(STACK_SZ);
	if (term.stack)
		sigaltstack(&(stack_t){.ss_sp = term.stack, .ss_size = STACK_SZ}, &term.old_stack);
	sigemptyset(&sa.sa_mask);
	sigemptyset(&stop.sa_mask);
	sa.sa_flags |= (int)SA_NODEFER; /* raise() ends it inside the handler */
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &sa, &term.old_fatal[i]);
	sigaction(SIGTSTP, NULL, &term.old_stop);
	if (term.old_stop.sa_handler != SIG_IGN) /* a shell without job control */
		sigaction(SIGTSTP, &stop, NULL);
}

static void release_signals(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &term.old_fatal[i], NULL);
	sigaction(SIGTSTP, &term.old_stop, NULL);
	if (term.stack)
		sigaltstack(&term.old_stack, NULL);
	free(term.stack);
	term.stack = NULL;
}

/* newterm() puts its own handlers where it finds the default action. */
static SCREEN *new_curses(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
	struct sigaction old[ARRAY_SIZE(signals)];
	SCREEN *ret;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], NULL, &old[i]);
	ret = newterm(NULL, stdout, stdin);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &old[i], NULL);
	return ret;
}

static void prepare_colors(struct screen *s)
{
	static const short colors[] = {[GRADE_ADVICE] = COLOR_CYAN, COLOR_YELLOW, COLOR_RED};

	if (!s->color)
		return;
	s->attrs[GRADE_DIM] = A_DIM;
	s->attrs[GRADE_CRITICAL] = A_BOLD;
	if (!has_colors() || start_color() == ERR)
		return;
	use_default_colors();
	for (short g = GRADE_ADVICE; g <= GRADE_CRITICAL; g++)
		if (init_pair(g, colors[g], -1) != ERR || init_pair(g, colors[g], COLOR_BLACK) != ERR)
			s->pairs[g] = g;
}

/* Keys come byte by byte and unseen; Ctrl-C and Ctrl-Z stay signals; Ctrl-S must not hold an agent up. */
static void prepare_input(void)
{
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);
	tcgetattr(STDIN_FILENO, &term.ours);
	term.ours.c_iflag &= ~(tcflag_t)(IXON | IXOFF);
	tcsetattr(STDIN_FILENO, TCSANOW, &term.ours);
	tcgetattr(STDIN_FILENO, &term.ours); /* as the kernel took it */
}

/* Looks the terminal's description up and makes the sequences: newterm() would exit or draw with a bad one. */
static int read_description(char *why)
{
	const char *name = getenv("TERM");
	bool able;
	int found;

	if (!name || setupterm(name, STDOUT_FILENO, &found) != OK)
		return err_why(why, -EINVAL, "terminal type '%.40s' (TERM) is unknown here; try TERM=xterm or a pipe",
			       name ? name : "");
	able = cursor_address != NULL;
	prepare_sequences();
	del_curterm(cur_term);
	if (!able)
		return err_why(why, -EINVAL, "terminal type '%.40s' (TERM) cannot place its cursor; use a pipe", name);
	return 0;
}

int screen_open(bool color, struct screen **ret, char *why)
{
	struct screen *s;
	int err;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &term.before))
		return err_why(why, -ENOTTY, "the live view needs a terminal on stdin and stdout");
	err = read_description(why);
	if (err)
		return err;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->color = color;
	s->curses = new_curses();
	if (!s->curses) {
		free(s);
		return err_why(why, -EINVAL, "ncurses cannot use this terminal");
	}
	atexit(leave_if_taken);
	term.taken = 1;
	term.came_back = 0;
	catch_signals();
	prepare_input();
	prepare_colors(s);
	leaveok(stdscr, TRUE);
	*ret = s;
	return 0;
}

struct screen *screen_close(struct screen *s)
{
	if (!s)
		return NULL;
	endwin();
	term.taken = 0;
	leave_terminal(); /* what endwin() leaves out: the flags of before newterm() */
	release_signals();
	delscreen(s->curses);
	canvas_deinit(&s->shown);
	free(s);
	return NULL;
}

void screen_size(int *rows, int *cols)
{
	struct winsize w;

	*rows = 24;
	*cols = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || !w.ws_row || !w.ws_col)
		return;
	*rows = w.ws_row;
	*cols = w.ws_col;
}

bool screen_came_back(struct screen *s)
{
	bool ret = term.came_back;

	term.came_back = 0;
	return ret;
}

/* After SIGSTOP, which no handler sees, a shell has set its own mode. */
static void retake(void)
{
	struct termios now;

	if (tcgetattr(STDIN_FILENO, &now) || (now.c_lflag == term.ours.c_lflag && now.c_iflag == term.ours.c_iflag))
		return;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &term.ours);
	write_all(term.enter, term.enter_len);
}

void screen_restart(struct screen *s)
{
	retake();
	canvas_deinit(&s->shown);
	clearok(curscr, TRUE);
}

/* 0, -EAGAIN when it has no room, -EIO when nobody is there. */
static int output_state(void)
{
	struct pollfd p = {STDOUT_FILENO, POLLOUT, 0};

	if (poll(&p, 1, 0) < 0)
		return errno == EINTR ? -EAGAIN : -EIO;
	if (p.revents & (POLLERR | POLLHUP | POLLNVAL))
		return -EIO;
	return p.revents & POLLOUT ? 0 : -EAGAIN;
}

/* libc's idea of a width decides in ncurses; where it differs from ours the character gives way, the columns stay. */
static void put_cell(const struct screen *s, int row, int col, const struct canvas_cell *x, int width)
{
	attr_t attrs = s->attrs[x->grade] | (x->reverse ? A_REVERSE : 0);
	wchar_t text[2] = {(wchar_t)x->c, 0};
	cchar_t cell;

	if (x->c > 0x7e && wcwidth((wchar_t)x->c) != width)
		text[0] = L'?';
	setcchar(&cell, text, attrs, s->pairs[x->grade], NULL);
	mvadd_wch(row, col, &cell);
	if (width == 2 && text[0] == L'?')
		mvadd_wch(row, col + 1, &cell);
}

static void put_row(const struct screen *s, const struct canvas *c, int row)
{
	const struct canvas_cell *line = &c->cells[row * c->cols];

	for (int col = 0; col < c->cols; col++) {
		int width = col + 1 < c->cols && !line[col + 1].c ? 2 : 1;

		if (line[col].c)
			put_cell(s, row, col, &line[col], width);
	}
}

static bool row_same(const struct screen *s, const struct canvas *c, int row)
{
	size_t at = (size_t)row * (size_t)c->cols;

	return s->shown.cells && !memcmp(&s->shown.cells[at], &c->cells[at], (size_t)c->cols * sizeof(*c->cells));
}

static void remember(struct screen *s, const struct canvas *c)
{
	if (!s->shown.cells && canvas_resize(&s->shown, c->rows, c->cols))
		return;
	memcpy(s->shown.cells, c->cells, (size_t)(c->rows * c->cols) * sizeof(*c->cells));
}

int screen_show(struct screen *s, const struct canvas *c)
{
	int err = output_state();

	if (err)
		return err;
	if (s->shown.rows != c->rows || s->shown.cols != c->cols)
		canvas_deinit(&s->shown);
	if (LINES != c->rows || COLS != c->cols) {
		resizeterm(c->rows, c->cols);
		clearok(curscr, TRUE);
	}
	for (int row = 0; row < c->rows; row++)
		if (!row_same(s, c, row))
			put_row(s, c, row);
	remember(s, c);
	refresh();
	return output_state() == -EIO ? -EIO : 0;
}

int screen_read(struct screen *s, void *buf, size_t sz)
{
	struct pollfd p = {STDIN_FILENO, POLLIN, 0};
	ssize_t n;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	n = read(STDIN_FILENO, buf, sz);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	return n > 0 ? (int)n : -EIO;
}

static char *base64(const char *text, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *buf = malloc((len + 2) / 3 * 4 + 1), *at = buf;

	for (size_t i = 0; buf && i < len; i += 3) {
		unsigned int b = 0;

		for (size_t k = 0; k < 3; k++)
			b = b << 8 | (i + k < len ? (unsigned char)text[i + k] : 0);
		*at++ = digits[b >> 18];
		*at++ = digits[b >> 12 & 63];
		*at++ = i + 1 < len ? digits[b >> 6 & 63] : '=';
		*at++ = i + 2 < len ? digits[b & 63] : '=';
	}
	if (buf)
		*at = 0;
	return buf;
}

bool screen_copy(struct screen *s, const char *text)
{
	static const char *const deaf[] = {"linux", "dumb", "vt", "ansi", "cons"};
	const char *name = getenv("TERM");
	size_t len = strlen(text);
	_cleanup_free_ char *code = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(deaf); i++)
		if (!name || !strncmp(name, deaf[i], strlen(deaf[i])))
			return false;
	code = base64(text, len < COPY_MAX ? len : COPY_MAX);
	if (!code || output_state())
		return false;
	write_all("\033]52;c;", 7);
	write_all(code, strlen(code));
	write_all("\a", 1);
	return true;
}
