/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/cofferd_order.h"

#include <argp.h>
#include <errno.h>
#include <stddef.h>

#include "control/options.h"

const char *argp_program_version = "cofferd (Coffer) " COFFER_VERSION;

enum {
	EXIT_USAGE = 2,
};

static void check_attach(struct order *order, struct argp_state *state)
{
	const bool has_servers = order->attach.servers[0] != '\0';

	if ((has_servers || order->has_boot) && order->config == NULL) {
		order->config = "coffer.conf";
	}
	if (order->has_boot != (order->name != NULL)) {
		argp_error(state, "it is --boot ADDRESS[,ADDRESS ...] --name NAME");
	}
	if (order->has_boot && (order->join || order->new_cluster || has_servers)) {
		argp_error(state, "--boot finds out by itself whether to join");
	}
	if ((order->settings != NULL || order->pair_count != 0) && !has_servers &&
	    !order->has_boot) {
		argp_error(state,
		           "--settings and --set go with --boot, or --join ADDRESS; else they "
		           "stand in the configuration");
	}
	if ((has_servers && !order->join) ||
	    (order->attach.listen != NULL && !has_servers && !order->has_boot)) {
		argp_error(state, "it is --join ADDRESS ... [--listen IP[:PORT]]");
	}
}

static void check(struct order *order, struct argp_state *state)
{
	if (order->restore != NULL && !order->new_cluster) {
		argp_error(state, "--restore begins a new cluster: it goes with --new-cluster");
	}
	if (order->join && order->new_cluster) {
		argp_error(state, "it is --new-cluster or --join");
	}
	check_attach(order, state);
	if (order->config == NULL && !order->print_config) {
		argp_error(state, "name a configuration file with -c");
	}
	order->start = order->new_cluster ? CTL_START_NEW_CLUSTER
	               : order->join      ? CTL_START_JOIN
	                                  : CTL_START_AGAIN;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct order *order = state->input;

	switch (key) {
	case 'c':
		order->config = argument;
		return 0;
	case 'b':
		order->has_boot = true;
		if (ctl_place_parse(&order->boot, argument) < 0) {
			argp_error(state, "--boot %s: it is ADDRESS[:PORT],...", argument);
		}
		return 0;
	case CTL_OPTION_NAME:
		order->name = argument;
		return 0;
	case CTL_OPTION_NEW_CLUSTER:
		order->new_cluster = true;
		return 0;
	case CTL_OPTION_JOIN:
		order->join = true;
		return 0;
	case CTL_OPTION_LISTEN:
		order->attach.listen = argument;
		return 0;
	case CTL_OPTION_SETTINGS:
		order->settings = argument;
		return 0;
	case CTL_OPTION_SET:
		if (order->pair_count == ORDER_PAIRS_MAX) {
			argp_error(state, "that is more than %d times --set; take --settings FILE",
			           ORDER_PAIRS_MAX);
		}
		order->pairs[order->pair_count++] = argument;
		return 0;
	case CTL_OPTION_RESTORE:
		order->restore = argument;
		return 0;
	case CTL_OPTION_CHECK:
		order->check = true;
		return 0;
	case CTL_OPTION_PRINT_CONFIG:
		order->print_config = true;
		return 0;
	case CTL_OPTION_NO_SUPERVISOR:
		order->no_supervisor = true;
		return 0;
	case ARGP_KEY_ARG:
		return ctl_attach_add(&order->attach, argument) ? 0 : E2BIG;
	case ARGP_KEY_END:
		check(order, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int order_parse(struct order *order, int count, char **words)
{
	static const struct argp argp = {ctl_cofferd_options,
	                                 parse,
	                                 "[ADDRESS[:PORT] ...]",
	                                 "Runs a Coffer server in the foreground.",
	                                 NULL,
	                                 NULL,
	                                 NULL};

	argp_err_exit_status = EXIT_USAGE;
	return argp_parse(&argp, count, words, 0, NULL, order) != 0 ? EXIT_USAGE : 0;
}
