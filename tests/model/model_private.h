/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by model.c and model_receive.c only. */
#ifndef TESTS_MODEL_MODEL_PRIVATE_H
#define TESTS_MODEL_MODEL_PRIVATE_H

#include "tests/model/model.h"

/* A key, as a node has seen it throughout the window. */
struct model_view {
    uint32_t candidates; /* slots that may have been active, as bits */
    bool was_here;       /* when the window began, or for long enough to be lost */
    bool is_sure;        /* at every moment */
    bool may_be_here;    /* when the window is over */
    bool may_starve;     /* it has a connection that may be found not to read */
};
/* Its connections on the node. */
struct model_view model_local(const struct model *m, unsigned node, unsigned key);
/* Who gets packets for it that were sent on the node: its connections there, else on another one.
 */
struct model_view model_route(const struct model *m, unsigned node, unsigned key);
/* Whether it is in the region, as the node sees it. */
struct model_view model_presence(const struct model *m, unsigned node, unsigned key);

bool model_may_be_told(const struct model *m, const struct model_packet *p);

/* Packets that a full queue may have dropped are not sure any more; before those that came are
 * forgotten. */
void model_note_unsafe(struct model *m);

/* At a quiet point each node knows who is at those it is linked to. */
void model_news_are_known(struct model *m);

/* One that has not come; one that is due before one that is not. Or one that came early. */
struct model_gone *model_find_gone(struct model *m, unsigned slot, unsigned key);
struct model_gone *model_find_early(struct model *m, unsigned slot, unsigned key);
void model_add_gone(struct model *m, struct model_gone g);
void model_drop_gone(struct model *m, struct model_gone *g);

#endif
