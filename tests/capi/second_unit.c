/* The header in a second translation unit: everything in it must be a declaration. */
#include <hedgerow.h>
#include <hedgerow.h>

unsigned abi_seen_by_second_unit(void);

unsigned abi_seen_by_second_unit(void) {
    return HR_ABI_VERSION;
}
