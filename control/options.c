/* SPDX-License-Identifier: Apache-2.0 */
#include "control/options.h"

const struct argp_option ctl_cofferd_options[] = {
	{"config", 'c', "FILE", 0, "configuration file", 0},
	{"new-cluster", CTL_OPTION_NEW_CLUSTER, NULL, 0,
         "the very first start of this server, in a new cluster: makes the data folder", 0},
	{"join", CTL_OPTION_JOIN, NULL, 0,
         "the very first start of this server, into a cluster that runs: makes the data folder. "
         "With addresses of servers behind it, the cluster tells the configuration, which is "
         "written to FILE (default: coffer.conf), and takes the server in as a learner; without, "
         "FILE is there, and `cofferctl member add` brings it in",
         0},
	{"boot", 'b', "ADDRESS[:PORT],...", 0,
         "every start of this server, with a name cluster: the very first joins the cluster of "
         "that "
         "NAME if the name cluster knows it, else makes it; of several servers that start at once "
         "one does. The configuration is written to FILE (default: coffer.conf)",
         0},
	{"name", CTL_OPTION_NAME, "NAME", 0, "with --boot: what the cluster is called", 0},
	{"listen", CTL_OPTION_LISTEN, "IP[:PORT]", 0,
         "with --join ADDRESS or --boot: where this server is reached; default: the address of "
         "this machine "
         "towards the cluster, port 8046",
         0},
	{"settings", CTL_OPTION_SETTINGS, "FILE", 0,
         "with --join ADDRESS or --boot: lines that the configuration shall have, too", 0},
	{"set", CTL_OPTION_SET, "KEY=VALUE", 0, "likewise one line; may be given again", 0},
	{"restore", CTL_OPTION_RESTORE, "FILE", 0,
         "with --new-cluster: begin with the files of a snapshot that another cluster saved", 0},
	{"no-supervisor", CTL_OPTION_NO_SUPERVISOR, NULL, 0,
         "without the process that waits for the server and tells the others when it dies; for "
         "debuggers",
         0},
	{"check", CTL_OPTION_CHECK, NULL, 0, "read the configuration, say if it is good, and end",
         0},
	{"print-config", CTL_OPTION_PRINT_CONFIG, NULL, 0,
         "print a configuration with every key, its default, range and meaning, and end", 0},
	{0},
};

const struct argp_option ctl_cofferctl_options[] = {
	{"socket", 's', "PATH", 0,
         "management socket of the server; default: COFFER_MANAGEMENT, "
         "else " CTL_MANAGEMENT_DEFAULT,
         0},
	{"output", 'o', "FORMAT", 0, "text (default) or json", 0},
	{"even", CTL_OPTION_EVEN, NULL, 0, "member: an even number of voters is what I want", 0},
	{"learner", CTL_OPTION_LEARNER, NULL, 0,
         "member add: the server shall follow, and not vote", 0},
	{0},
};
