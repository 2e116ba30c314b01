/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"
Suite *suite_install(void); Suite *suite_install_speed(void);
#include <check.h>
Suite *suite_install(void){return suite_create("install");}
Suite *suite_install_speed(void){return suite_create("install_speed");}
