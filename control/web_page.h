/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web_page.h - web_page.html as bytes of the program (made by web_page.py)
 */

#include <stddef.h>
#include <stdint.h>

extern const uint8_t ctl_web_page[];
extern const size_t ctl_web_page_size;
/* The header Content-Security-Policy for it: nothing but its own script, style and server. */
extern const char ctl_web_page_policy[];
