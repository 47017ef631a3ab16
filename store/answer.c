/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer.c - answers in words
 *
 * Beside store.c, because clients say them without having a store.
 */
#include "store/answer.h"

const char *store_answer_text(enum store_answer answer)
{
	static const char *const texts[STORE_ANSWER_COUNT] = {
		[STORE_OK] = "done",
		[STORE_MISMATCH] = "the condition is false",
		[STORE_NOT_FOUND] = "not found",
		[STORE_IS_DIRECTORY] = "is a directory",
		[STORE_NOT_DIRECTORY] = "not a directory",
		[STORE_BAD_PATH] = "malformed path",
		[STORE_BAD_GLOB] = "malformed glob",
		[STORE_TOO_LARGE] = "too large",
		[STORE_QUOTA] = "the store is full",
		[STORE_TOO_LATE] = "that revision is no longer kept",
		[STORE_NO_SESSION] = "no such session",
		[STORE_BAD_SECRET] = "not your session",
		[STORE_STALE] = "that number was given up before",
		[STORE_WINDOW] = "too many requests outstanding",
		[STORE_SESSIONS_FULL] = "no room for another session",
		[STORE_NOT_LEADER] = "not the leader",
		[STORE_NO_QUORUM] = "no quorum",
		[STORE_OVERLOADED] = "overloaded",
		[STORE_BAD_REQUEST] = "malformed request",
		[STORE_BAD_VERSION] = "version of the protocol not spoken",
		[STORE_WRONG_CLUSTER] = "wrong cluster",
		[STORE_BAD_VERB] = "unknown verb",
		[STORE_DISK_FULL] = "the servers' disks are full",
		[STORE_TOO_EARLY] = "that revision has not come yet",
		[STORE_DENIED] = "permission denied",
		[STORE_LOCKED] = "the lock is held",
		[STORE_NOT_HELD] = "the lock is not held",
		[STORE_NOT_NUMBER] = "not a number",
		[STORE_GUARDED] = "only locks change that",
		[STORE_SESSION_FULL] = "the session owns too many files",
	};

	if ((unsigned)answer >= STORE_ANSWER_COUNT) {
		return "unknown answer";
	}
	return texts[answer];
}
