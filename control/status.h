/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * status.h - a replica's status as JSON
 *
 *      node role leader ballot{round,node} accepted{...} log_start length durable decided applied
 *      adopted_length lease_left_ms deciding durability transport peers[] counters{} drops{}
 *      events{} poll_gap_us expiry_late_us ttl_floor_ms; with durability disk: journal{} holes
 *      snapshot
 *
 * Servers are numbers from 1; leader 0 is "not known". Pure but for jansson's allocations.
 */

#include <jansson.h>
#include <stdint.h>

#include "consensus/status.h"
#include "control/gateway_types.h"
#include "control/inside.h"
#include "control/journal.h"
#include "control/slow_udp.h"
#include "control/udp_worker.h"

/* A new object, given to the caller (json_decref), or NULL without memory. */
json_t *ctl_status_json(const struct paxos_status *status, const char *transport);

/* Adds "journal", with durability disk. */
void ctl_status_add_journal(json_t *status, const struct ctl_journal_counters *counters);

/* Adds a number to "counters" or "drops"; what cannot be added is left out. */
void ctl_status_add(json_t *status, const char *group, const char *name, uint64_t number);

/* Adds what the parts of the slow path have counted; of the clients inside, all together. */
void ctl_status_add_slow(json_t *status, const struct ctl_slow_udp_counters *counters);
void ctl_status_add_gateway(json_t *status, const struct ctl_gateway_counters *counters);
void ctl_status_add_insides(json_t *status, const struct ctl_insides *insides);

/* Adds what the kernel shell has counted. */
void ctl_status_add_kernel(json_t *status, const struct ctl_udp_worker_counters *counters);
