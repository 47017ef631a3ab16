/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * settings.h - what an operator wants of a server whose configuration he does not write
 *
 *      cofferd --boot ... --settings FILE --set KEY=VALUE
 *
 *      lines of a configuration -.
 *      what is found out --------+--> FILE of the first start; later ones only compare
 *
 * They may not name what --boot and --join ADDRESS find out. Whatever else says something about one
 * of their keys has to say the same, or nobody starts.
 *
 * Pure but for the file. Threads: any one.
 */

#include "control/config.h"
#include "control/reason.h"

struct ctl_settings {
	char *text;               /* owned: whole lines */
	const char *from;         /* what they are called in a sentence */
	struct ctl_config config; /* as they say it; the rest of it is defaults, and made up */
};

/*
 * Reads a file (NULL: none), and `count` times "KEY=VALUE" (borrowed, as the name of the file is).
 * Nothing at all is fine. 0, or a negative errno and the sentence; free it in either case.
 */
int ctl_settings_read(struct ctl_settings *settings, const char *file, const char *const *pairs,
                      unsigned count, struct ctl_reason *ret_reason);
void ctl_settings_free(struct ctl_settings *settings);

/*
 * Whether `config`, which is called `name` in the sentence, says the same of all their keys. 0, or
 * -EINVAL and the sentence.
 */
int ctl_settings_agree(const struct ctl_settings *settings, const struct ctl_config *config,
                       const char *name, struct ctl_reason *ret_reason);

/*
 * `base`, a whole configuration, is called `name` in the sentence: with the settings that it lacks,
 * and `rest`, of which the settings' keys are left out. *ret_text is given (free). 0, or a negative
 * errno and the sentence: it says something else.
 */
int ctl_settings_compose(const struct ctl_settings *settings, const char *base, const char *name,
                         const char *rest, char **ret_text, struct ctl_reason *ret_reason);
