/* SPDX-License-Identifier: BSD-2-Clause */
/* Half a filter is on screen while it is typed, so every text means something: "!" and "ns=" alone let all pass. */
#include "view/filter.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "diagnose/verdicts.h"
#include "pods/owner_index.h"

static void to_lower(char *s)
{
	for (; *s; s++)
		*s = (char)tolower((unsigned char)*s);
}

static void note_unknown(struct filter *f, const char *word)
{
	size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz");

	if (len && word[len] == '=' && !*f->unknown)
		snprintf(f->unknown, sizeof(f->unknown), "%.*s", (int)len, word);
}

static void add_word(struct filter *f, const char *word)
{
	static const struct {
		const char *prefix;
		enum filter_what what;
	} kinds[] = {{"ns=", FILTER_NAMESPACE}, {"why=", FILTER_WHY}};
	bool not = *word == '!';

	word += not ;
	f->words[f->cnt].what = FILTER_NAME;
	f->words[f->cnt].not = not ;
	if (!strcmp(word, "why")) {
		f->words[f->cnt].what = FILTER_WHY;
		f->words[f->cnt++].text[0] = 0;
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!str_starts(word, kinds[i].prefix))
			continue;
		f->words[f->cnt].what = kinds[i].what;
		word += strlen(kinds[i].prefix);
		break;
	}
	if (f->words[f->cnt].what == FILTER_NAME)
		note_unknown(f, word);
	if (!*word)
		return; /* not finished */
	str_copy(f->words[f->cnt++].text, sizeof(f->words[0].text), word);
}

void filter_parse(struct filter *f, const char *text)
{
	char buf[FILTER_SZ], *save = NULL;

	memset(f, 0, sizeof(*f));
	str_copy(buf, sizeof(buf), text);
	to_lower(buf);
	for (char *w = strtok_r(buf, " ", &save); w && f->cnt < FILTER_WORDS; w = strtok_r(NULL, " ", &save))
		add_word(f, w);
}

static bool why_matches(const struct snapshot_container *c, const char *text)
{
	char name[64];

	if (!*text)
		return c->verdict_cnt > 0;
	for (int i = 0; i < c->verdict_cnt; i++) {
		verdict_short(&c->verdicts[i], name, sizeof(name));
		if (strstr(name, text))
			return true;
	}
	return false;
}

static bool word_matches(enum filter_what what, const char *text, const struct snapshot_container *c)
{
	char name[OWNER_NAME_SZ * 4];

	switch (what) {
	case FILTER_WHY:
		return why_matches(c, text);
	case FILTER_NAMESPACE:
		str_copy(name, sizeof(name), c->owner.namespace_);
		to_lower(name);
		return !fnmatch(text, name, 0);
	default:
		owner_format(&c->owner, name, sizeof(name));
		to_lower(name);
		return strstr(name, text) != NULL;
	}
}

bool filter_matches(const struct filter *f, const struct snapshot_container *c)
{
	for (int i = 0; i < f->cnt; i++)
		if (word_matches(f->words[i].what, f->words[i].text, c) == f->words[i].not )
			return false;
	return true;
}
