/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/admit.h"

#include "store/base/check.h"
#include "store/file.h"
#include "store/txn.h"

static enum store_answer check_limits(const struct proto_request *request)
{
	struct store_txn txn;

	if (request->verb == PROTO_TXN) {
		if (request->value.size > STORE_TXN_SIZE_MAX) {
			return STORE_TOO_LARGE;
		}
		return store_txn_decode(request->value, &txn) ? STORE_OK : STORE_BAD_REQUEST;
	}
	if (request->verb != PROTO_SET && request->verb != PROTO_DELETE) {
		return STORE_OK;
	}
	if (request->value.size > STORE_VALUE_SIZE_MAX) {
		return STORE_TOO_LARGE;
	}
	return store_file_form(store_path_check(request->path));
}

/* A transaction that may make a file, or a larger one. */
static bool may_grow(struct slice bytes)
{
	struct wire_reader reader;
	struct store_txn txn;

	must(store_txn_decode(bytes, &txn));
	reader = wire_reader_make(slice_make(txn.thens.data, txn.thens.size + txn.elses.size));
	for (unsigned i = 0; i < (unsigned)txn.then_count + txn.else_count; i++) {
		const enum store_verb verb = store_txn_op(&reader).verb;

		if (verb != STORE_VERB_DELETE && verb != STORE_VERB_UNLOCK &&
		    verb != STORE_VERB_KILL) {
			return true;
		}
	}
	return false;
}

/* Full disks: what a file does not get larger by goes on in what is spared for it. */
static bool grows(const struct paxos_core *core, const struct proto_request *request)
{
	struct store_file file;

	if (request->verb == PROTO_TXN) {
		return may_grow(request->value);
	}
	return request->verb == PROTO_SET &&
	       (store_get(store_root(core->store), request->path, &file) != STORE_OK ||
	        file.value.size < request->value.size);
}

enum store_answer paxos_admit(struct paxos_core *core, const struct proto_request *request)
{
	const enum store_answer answer = check_limits(request);

	if (answer == STORE_OK && core->is_full && grows(core, request)) {
		core->counted.disk_refusals++;
		return STORE_DISK_FULL;
	}
	return answer;
}

uint32_t paxos_admit_ttl_floor_ms(const struct paxos_core *core)
{
	const struct paxos_config *config = &core->config;
	const uint64_t gap_ns =
		core->poll_gap_ns < config->suspicion_ns ? core->poll_gap_ns : config->suspicion_ns;
	const uint64_t floor_ms = (PAXOS_TTL_GAPS * gap_ns + 999999) / 1000000;

	if (floor_ms < config->session_ttl_ms_min) {
		return config->session_ttl_ms_min;
	}
	return floor_ms < config->session_ttl_ms_max ? (uint32_t)floor_ms
	                                             : config->session_ttl_ms_max;
}

static uint32_t granted_ttl(const struct paxos_core *core, uint32_t asked_ms)
{
	const uint32_t floor_ms = paxos_admit_ttl_floor_ms(core);

	if (asked_ms < floor_ms) {
		return floor_ms;
	}
	return asked_ms > core->config.session_ttl_ms_max ? core->config.session_ttl_ms_max
	                                                  : asked_ms;
}

void paxos_admit_entry(const struct paxos_core *core, const struct proto_request *request,
                       bool is_full, struct store_entry *entry)
{
	static const enum store_verb verbs[] = {
		[PROTO_SET] = STORE_VERB_SET,
		[PROTO_DELETE] = STORE_VERB_DELETE,
		[PROTO_NOP] = STORE_VERB_NOP,
	};

	memset(entry, 0, STORE_ENTRY_PLAIN);
	entry->session = request->head.session;
	entry->number = request->head.number;
	entry->first_unanswered = request->first_unanswered;
	if (request->verb == PROTO_OPEN) {
		entry->kind = STORE_ENTRY_OPEN;
		entry->secret = request->head.secret;
		entry->ttl_ms = granted_ttl(core, request->ttl_ms);
	} else if (request->verb == PROTO_CLOSE) {
		entry->kind = STORE_ENTRY_CLOSE;
	} else if (is_full) {
		entry->kind = STORE_ENTRY_OP;
		entry->op = (struct store_op){.verb = STORE_VERB_FULL};
	} else if (request->verb == PROTO_TXN) {
		entry->kind = STORE_ENTRY_TXN;
		entry->txn = request->value;
	} else {
		entry->kind = STORE_ENTRY_OP;
		entry->op = (struct store_op){
			.verb = verbs[request->verb],
			.condition =
				request->verb == PROTO_NOP ? STORE_IF_EQUAL : request->condition,
			.rev = request->verb == PROTO_NOP ? STORE_REV_ANY : request->rev,
			.path = request->path,
			.value = request->value,
		};
	}
}
