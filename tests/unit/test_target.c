/* SPDX-License-Identifier: BSD-2-Clause */
/* The TARGET grammar: which owner and process each spelling means, and which not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "target.h"

#define CID "8d5a9cbb2036fab802b45e3d2223321d823faf65a03953655779333e09ba80a6"

static const struct owner pod = {.kind = OWNER_POD,
				 .namespace_ = "shop",
				 .pod = "cart-0",
				 .container = "cart",
				 .container_id = CID,
				 .runtime = "containerd"};
static const struct owner plain = {
	.kind = OWNER_CONTAINER, .container = "web-1", .container_id = CID, .runtime = "podman"};
static const struct owner host = {.kind = OWNER_HOST, .host_pid = 911, .host_comm = "prometheus"};
static const struct owner unknown = {
	.kind = OWNER_UNATTRIBUTED, .container_id = CID, .cgroup = "/kubepods/pod3f2a/8d5a9c"};

static void test_target(void **state)
{
	static const struct process p = {.pid = 911, .comm = "prometheus"};
	static const struct {
		const char *target;
		const struct owner *owner;
		bool want;
	} rows[] = {
		{NULL, &pod, true},
		{"911", &pod, true},
		{"911", &host, true},
		{"91", &host, false},
		{"912", &host, false},
		{"cart-0", &pod, true},
		{"cart", &pod, true}, /* the container's name */
		{"cart-", &pod, false},
		{"cart-*", &pod, true},
		{"cart-?", &pod, true},
		{"shop/cart-0", &pod, true},
		{"shop/cart-0:cart", &pod, true},
		{"cart-0:cart", &pod, true},
		{"shop/*", &pod, true},
		{"*/cart-0", &pod, true},
		{"sh[oa]p/cart-*:c*", &pod, true},
		{"shop/cart-0:istio", &pod, false},
		{"cart-0:istio", &pod, false},
		{"cart:cart", &pod, false}, /* before a colon stands a pod */
		{"shop/cart", &pod, false}, /* after a namespace comes a pod */
		{"pay/cart-0", &pod, false},
		{"shop", &pod, false}, /* a namespace alone is -n */
		{"shop/", &pod, false},
		{"/cart-0", &pod, false},
		{"", &pod, false},
		{CID, &pod, true},
		{"8d5a9cbb2036", &pod, true},
		{"8d5a9c", &unknown, true},
		{"8d5a9", &pod, false}, /* too short: a name */
		{"8d5a9d", &pod, false},
		{"containerd/cart", &pod, false},
		{"web-1", &plain, true},
		{"podman/web-1", &plain, true},
		{"podman/*", &plain, true},
		{"docker/web-1", &plain, false},
		{"web", &plain, false},
		{"prometheus", &host, true},
		{"prom*", &host, true},
		{"host/pid 911 prometheus", &host, true},
		{"host/*", &host, true},
		{"prometheus", &pod, false}, /* a process's own name counts only outside containers */
		{"web-1", &unknown, false},
		{"*", &unknown, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options opts = {.target = rows[i].target};

		if (target_matches(&opts, rows[i].owner, &p) != rows[i].want)
			fail_msg("'%s' row %zu: not as wanted", rows[i].target, i);
	}
}

static void test_no_process_or_owner(void **state)
{
	struct options name = {.target = "cart-0"}, pid = {.target = "911"}, only_pid = {.pid = 911}, all = {0};
	static const struct process p = {.pid = 911, .comm = "x"};

	assert_true(target_matches(&name, &pod, NULL)); /* any process of the owner */
	assert_false(target_matches(&pid, &pod, NULL));
	assert_false(target_matches(&only_pid, &pod, NULL));
	assert_true(target_matches(&only_pid, NULL, &p));
	assert_false(target_matches(&name, NULL, &p));
	assert_true(target_matches(&all, NULL, NULL));
}

/* -p, -n and -c narrow each other and the TARGET. */
static void test_narrowing(void **state)
{
	static const struct process p = {.pid = 911, .comm = "x"};
	static const struct {
		struct options opts;
		bool want;
	} rows[] = {
		{{.namespace_ = "shop"}, true},
		{{.namespace_ = "sh*"}, true},
		{{.namespace_ = "pay"}, false},
		{{.container = "cart"}, true},
		{{.container = "istio"}, false},
		{{.namespace_ = "shop", .container = "istio"}, false},
		{{.namespace_ = "shop", .container = "cart", .pid = 911}, true},
		{{.namespace_ = "shop", .container = "cart", .pid = 912}, false},
		{{.target = "cart-0", .namespace_ = "pay"}, false},
		{{.target = "cart-0", .container = "cart"}, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(target_matches(&rows[i].opts, &pod, &p), rows[i].want);
	assert_false(target_matches(&(struct options){.namespace_ = "*"}, &host, &p)); /* it has none */
}

static void test_too_long(void **state)
{
	static char text[2000];
	struct options opts = {.target = text};

	memset(text, 'a', sizeof(text) - 1);
	assert_false(target_matches(&opts, &pod, NULL));
}

static void test_text(void **state)
{
	struct options target = {.target = "cart"}, pid = {.pid = 7}, container = {.container = "c"};
	struct options ns = {.namespace_ = "shop"}, all = {0};
	char buf[64];

	assert_string_equal(target_text(&target, buf, sizeof(buf)), "'cart'");
	assert_string_equal(target_text(&pid, buf, sizeof(buf)), "pid 7");
	assert_string_equal(target_text(&container, buf, sizeof(buf)), "container 'c'");
	assert_string_equal(target_text(&ns, buf, sizeof(buf)), "namespace 'shop'");
	assert_string_equal(target_text(&all, buf, sizeof(buf)), "everything");
	assert_true(target_is_glob(&(struct options){.target = "a*"}));
	assert_true(target_is_glob(&(struct options){.target = "a?"}));
	assert_true(target_is_glob(&(struct options){.target = "[ab]"}));
	assert_false(target_is_glob(&target));
	assert_false(target_is_glob(&all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_target),    cmocka_unit_test(test_no_process_or_owner),
		cmocka_unit_test(test_narrowing), cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
