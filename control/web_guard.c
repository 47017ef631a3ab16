/* SPDX-License-Identifier: Apache-2.0 */
#include "control/web_guard.h"

#include <stddef.h>

void ctl_web_guard_init(struct ctl_web_guard *guard, const struct store_keys *keys)
{
	*guard = (struct ctl_web_guard){.keys = keys};
}

unsigned ctl_web_guard_rights(const struct ctl_web_guard *guard)
{
	return store_rights_earned(guard->keys, &(struct store_key){0});
}

bool ctl_web_guard_ask(struct ctl_web_guard *guard, struct ctl_web_guess *guess,
                       struct slice secret)
{
	struct ctl_web_guess **at = &guard->first;
	unsigned all = 0, of_one = 0;

	for (; *at != NULL; at = &(*at)->next) {
		all++;
		of_one += (*at)->source == guess->source ? 1 : 0;
	}
	if (guess->waits || all >= CTL_WEB_GUESSES_MAX || of_one >= CTL_WEB_GUESSES_OF_ONE) {
		return false;
	}
	guess->key = store_key_of(secret);
	guess->waits = true;
	guess->next = NULL;
	*at = guess;
	return true;
}

void ctl_web_guard_forget(struct ctl_web_guard *guard, struct ctl_web_guess *guess)
{
	for (struct ctl_web_guess **at = &guard->first; *at != NULL; at = &(*at)->next) {
		if (*at == guess) {
			*at = guess->next;
			break;
		}
	}
	guess->waits = false;
}

uint64_t ctl_web_guard_turn(struct ctl_web_guard *guard, uint64_t now_ns)
{
	while (guard->first != NULL && now_ns >= guard->next_ns) {
		struct ctl_web_guess *guess = guard->first;
		/* Nothing is not a secret. */
		const unsigned rights =
			guess->key.is_set ? store_rights_earned(guard->keys, &guess->key) : 0;

		ctl_web_guard_forget(guard, guess);
		if (rights == 0) {
			guard->denied++;
			guard->next_ns = now_ns + CTL_WEB_GUESS_MS * (uint64_t)1000000;
		}
		guess->judged(guess->context, rights);
	}
	return guard->first == NULL ? 0 : guard->next_ns - now_ns;
}
