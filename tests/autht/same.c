/* SPDX-License-Identifier: Apache-2.0 */
/* For `check-trunk`: compiles only where trunk's mod_auth.h says what autht.h says in its
 * place. The macros of both are defined one after the other, which they may be as long as they
 * are the same; the types of autht.h get other names. */
#include <mod_auth.h>

#define AUTHT_COMPARE
#define AUTHT_DENIED OURS_DENIED
#define AUTHT_GRANTED OURS_GRANTED
#define AUTHT_GENERAL_ERROR OURS_GENERAL_ERROR
#define AUTHT_MISMATCH OURS_MISMATCH
#define AUTHT_EXPIRED OURS_EXPIRED
#define AUTHT_INVALID OURS_INVALID
#define autht_status ours_status
#define autht_provider ours_provider
#include "autht.h"
#undef AUTHT_DENIED
#undef AUTHT_GRANTED
#undef AUTHT_GENERAL_ERROR
#undef AUTHT_MISMATCH
#undef AUTHT_EXPIRED
#undef AUTHT_INVALID
#undef autht_status
#undef autht_provider

#define SAME(name) _Static_assert((int)AUTHT_##name == (int)OURS_##name, #name)
SAME(DENIED);
SAME(GRANTED);
SAME(GENERAL_ERROR);
SAME(MISMATCH);
SAME(EXPIRED);
SAME(INVALID);

/* One function, taken by both. */
#define ASK(status) status (*)(request_rec *, const char *, const char *)
_Static_assert(_Generic(((autht_provider *)0)->check_token, ASK(autht_status) : 1, default : 0),
               "what trunk asks");
_Static_assert(_Generic(((ours_provider *)0)->check_token, ASK(ours_status) : 1, default : 0),
               "what autht.h asks");
_Static_assert(sizeof(autht_provider) == sizeof(ours_provider), "nothing else");
