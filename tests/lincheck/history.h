/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * history.h - a history in a file, one JSON object a line
 *
 * tests/lincheck/README.md says which fields there are. Whatever else stands there is an error.
 */

#include <stdio.h>

#include "tests/lincheck/lincheck.h"

/*
 * Reads the file to its end.
 *
 * Returns 0, -EBADMSG (what stands there makes no sense; ret_reason tells the line), -EIO or
 * -ENOMEM.
 */
int history_read(struct lincheck *lincheck, FILE *file, char ret_reason[256]);
