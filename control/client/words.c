/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.c - answers, outcomes and errors of the client library, for people
 */
#include <errno.h>
#include <string.h>

#include "control/client/coffer.h"
#include "store/answer.h"

const char *coffer_answer_text(enum coffer_answer answer)
{
	return store_answer_text((enum store_answer)answer);
}

const char *coffer_outcome_text(enum coffer_outcome outcome)
{
	static const char *const texts[] = {"done", "refused", "unreached", "unknown"};

	return (unsigned)outcome <= COFFER_UNKNOWN ? texts[outcome] : "unknown outcome";
}

const char *coffer_error_text(int error)
{
	switch (-error) {
	case 0:
		return "no error";
	case EDESTADDRREQ:
		return "no servers are named";
	case EINVAL:
		return "malformed argument";
	case E2BIG:
		return "too many servers are named, or a transaction is too large";
	case EHOSTUNREACH:
		return "no name of a server resolves";
	case EAGAIN:
		return "too many requests or watches at once";
	case EBUSY:
		return "called from inside a callback";
	case ETIMEDOUT:
		return "no server answers";
	case EACCES:
		return "the secret does not allow it";
	case EBADMSG:
		return "the servers answered nonsense";
	default:
		return strerrordesc_np(-error) != NULL ? strerrordesc_np(-error) : "unknown error";
	}
}
