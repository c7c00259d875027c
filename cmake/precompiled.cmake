# Precompiled headers of what nearly every source includes, which saves a third of compiling. With them
# a source compiles that forgot an #include; scripts/check-tidy, which does without, finds that one.
option(HSM_PRECOMPILED "Precompile the standard library's headers" ON)

set(hsm_standard_headers
  <algorithm> <array> <chrono> <cstdint> <filesystem> <fstream> <functional> <map> <memory> <mutex>
  <optional> <set> <span> <string> <string_view> <thread> <utility> <vector>)

# hsm_precompile(TARGET LIKE [HEADERS...]): TARGET uses what LIKE made, or makes it when it is LIKE
# itself. The same one serves only targets with the same options: libraries, or programs.
function(hsm_precompile target like)
  if(NOT HSM_PRECOMPILED)
    return()
  endif()
  if(target STREQUAL like)
    target_precompile_headers(${target} PRIVATE ${hsm_standard_headers} ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM ${like})
  endif()
endfunction()
