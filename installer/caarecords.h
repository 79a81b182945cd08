/* SPDX-License-Identifier: Apache-2.0 */
/* The CAA records that let only this relay's accounts issue (RFC 8657), as `derp-acme caa` tells
 * them. */
#ifndef INSTALLER_CAARECORDS_H
#define INSTALLER_CAARECORDS_H

#include "base/fault.h"
#include "base/finding.h"
#include "installer/setup.h"

/*
 * Reads the output of `derp-acme --json caa`: for each CA a finding certificate.caa, ok with the
 * record to set, or warn when there is no account there yet. Members that are missing count as not
 * said. false: no JSON object. Pure.
 */
bool caarecords_parse(const char *text, struct findings *all, struct fault *f);

/* Runs it as derp-acme's own user and shows what it says. */
void caarecords_show(struct setup *s);

#endif
