// Both headers in a second translation unit: everything in them must be a declaration, a template
// or inline.
#include <hedgerow.hpp>
#include <hedgerow.h>
#include <hedgerow.hpp>

std::string_view version_seen_by_second_unit();

std::string_view version_seen_by_second_unit() {
    return hedgerow::version();
}
