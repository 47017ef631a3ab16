/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whichever step a change of the members has come to, a server that dies there, or is cut
 *         off there, costs a moment: the change is asked for again, and done (4.1 j).
 * Method: one change of each kind: grow, shrink, replace one, the leader, a majority. One world for
 *         each step: an effect of the server that dies, a datagram between servers.
 */
#include "consensus/msg.h"
#include "consensus/quorum.h"
#include "tests/scenario/story.h"

enum {
	ASKS_MAX = 10,
	SPARED_MAX = 12,
	STORIES = 5
};

struct step_story {
	unsigned founders, spares;
	uint32_t add, remove; /* by place: 0 is the leader, then the others in turn; spares last */
};

static const struct step_story stories[STORIES] = {
	{3, 2, .add = 0x18},                /* grow */
	{5, 0, .remove = 0x18},             /* shrink */
	{3, 1, .add = 0x08, .remove = 0x4}, /* replace one */
	{3, 1, .add = 0x08, .remove = 0x1}, /* the leader */
	{3, 2, .add = 0x18, .remove = 0x6}, /* a majority */
};

struct step_world {
	const struct step_story *story;
	struct world *world;
	unsigned leader;
	unsigned asked; /* it is a member before and after */
	struct paxos_change change;
	uint32_t voters; /* when it is done */
	unsigned sent;   /* datagrams between servers that the change needs, or that follow */
};

static unsigned place(const struct step_world *steps, unsigned number)
{
	const unsigned founders = steps->story->founders;

	return number < founders ? (steps->leader + number) % founders : number;
}

static uint32_t places(const struct step_world *steps, uint32_t numbers)
{
	uint32_t set = 0;

	for (unsigned i = 0; paxos_each(numbers, &i); i++) {
		set |= paxos_bit(place(steps, i));
	}
	return set;
}

static enum net_verdict count(void *context, uint32_t source, uint32_t target, struct slice bytes)
{
	struct step_world *steps = context;
	const unsigned kind = stage_kind(bytes) & 0xff;

	steps->sent += source < NET_CLIENT && target < NET_CLIENT && kind != PAXOS_MSG_HEARTBEAT &&
	               kind != PAXOS_MSG_HEARTBEAT_ACK;
	return NET_PASS;
}

static void begin(struct step_world *steps, const struct step_story *story,
                  enum paxos_durability durability)
{
	struct world_options options;
	uint32_t stay;

	*steps = (struct step_world){.story = story};
	world_options_default(&options);
	options.servers = story->founders;
	options.spares = story->spares;
	options.clients = 2;
	options.server.paxos.durability = durability;
	steps->world = story_start(&options, &steps->leader);
	steps->change.add = places(steps, story->add);
	steps->change.remove = places(steps, story->remove);
	stay = paxos_first(story->founders) & ~steps->change.remove;
	(void)paxos_each(stay, &steps->asked);
	steps->voters = stay | steps->change.add;
	steps->world->stage.net.filter = count;
	steps->world->stage.net.filter_context = steps;
	world_change(steps->world, steps->asked, &steps->change, MS(2000));
}

static bool is_told(const struct step_world *steps)
{
	return steps->world->servers[steps->asked].tellings != 0;
}

/* What was asked for is asked for again, until it is so. */
static void end(struct step_world *steps, bool is_lost)
{
	unsigned asks = 0;

	steps->world->stage.net.filter = NULL;
	while (!is_lost && !is_told(steps)) {
		assert_true(world_step(steps->world));
	}
	while (story_ask(steps->world, steps->asked, &steps->change) != PAXOS_CHANGE_DONE) {
		assert_true(asks++ < ASKS_MAX);
	}
	assert_int_equal(story_voters(steps->world), steps->voters);
	story_end(steps->world);
}

/* False if the change was done before the server had come so far, or could be spared. */
static bool dies(const struct step_story *story, enum paxos_durability durability, unsigned who,
                 unsigned effects)
{
	struct step_world steps;
	struct server *victim;
	bool died;

	begin(&steps, story, durability);
	victim = &steps.world->servers[place(&steps, who)];
	victim->crash_after = (int)effects;
	while (victim->is_up && !is_told(&steps)) {
		assert_true(world_step(steps.world));
	}
	died = !victim->is_up && !victim->is_removed;
	victim->crash_after = -1;
	if (died) {
		/* Sooner or later than the others suspect it. */
		world_run(steps.world, MS(1 + effects * 7 % 120));
		world_restart(steps.world, victim->node);
	}
	end(&steps, died && victim->node == steps.asked);
	return died;
}

/* False if the change was done before so many datagrams were sent. */
static bool is_cut(const struct step_story *story, enum paxos_durability durability, uint32_t cut,
                   unsigned datagrams)
{
	struct step_world steps;
	uint32_t set;
	bool was_cut;

	begin(&steps, story, durability);
	set = places(&steps, cut);
	while (steps.sent < datagrams && !is_told(&steps)) {
		assert_true(world_step(steps.world));
	}
	was_cut = !is_told(&steps);
	if (was_cut) {
		world_cut(steps.world, set, 0xff & ~set);
		world_run(steps.world, MS(20 + datagrams * 7 % 300));
		world_heal(steps.world);
	}
	end(&steps, false);
	return was_cut;
}

/* Every other step in mode disk, those between them in mode memory. */
static enum paxos_durability mode_of(unsigned step)
{
	return step % 2 == 0 ? PAXOS_DISK : PAXOS_MEMORY;
}

static void test_a_server_dies_at_each_step(void **state)
{
	unsigned deaths = 0;

	(void)state;
	for (size_t i = 0; i < STORIES; i++) {
		for (unsigned who = 0; who < stories[i].founders + stories[i].spares; who++) {
			unsigned effects = 0;

			/* In mode memory there are moments when nobody may lose what he knows. */
			for (unsigned spared = 0; spared < SPARED_MAX; effects++) {
				const bool died = dies(&stories[i], mode_of(effects), who, effects);

				spared = died ? 0 : spared + 1;
				deaths += died;
			}
			assert_true(effects > SPARED_MAX + 6);
		}
	}
	printf("summary: %u deaths in changes of the members\n", deaths);
}

/* The leader; he and another; those that join. */
static void test_servers_are_cut_off_at_each_step(void **state)
{
	unsigned count = 0;

	(void)state;
	for (size_t i = 0; i < STORIES; i++) {
		const uint32_t cuts[] = {0x1, 0x3, stories[i].add};

		for (unsigned j = 0; j < 3 && cuts[j] != 0; j++) {
			unsigned datagrams = j;

			while (is_cut(&stories[i], mode_of(datagrams), cuts[j], datagrams)) {
				datagrams += 3;
				count++;
			}
			assert_true(datagrams > 30);
		}
	}
	printf("summary: %u cuts in changes of the members\n", count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_server_dies_at_each_step),
		cmocka_unit_test(test_servers_are_cut_off_at_each_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
