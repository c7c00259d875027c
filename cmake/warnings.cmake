# Warnings, hardening and sanitizers that every target of ours is built with.
add_library(hsm_options INTERFACE)
target_compile_options(hsm_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wold-style-cast -Wcast-qual -Wnull-dereference -Wimplicit-fallthrough
  -Werror -fstack-protector-strong)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 sees dangling and null pointers, and copies of 8 EiB, in libstdc++'s own headers once they
  # are inlined.
  target_compile_options(hsm_options INTERFACE
    -Wno-null-dereference -Wno-maybe-uninitialized -Wno-restrict)
endif()
if(HSM_SANITIZE)
  target_compile_options(hsm_options INTERFACE
    -fsanitize=${HSM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    # The sanitizers take a thread's block of thread_local of hsm.so for one of glibc 2.19 where malloc
    # puts it 16 bytes into a page, and the bytes before it for its address and size; the leak check
    # then reads there, and crashes. In the static block they look for none.
    -ftls-model=initial-exec)
  target_link_options(hsm_options INTERFACE -fsanitize=${HSM_SANITIZE})
else()
  target_compile_definitions(hsm_options INTERFACE $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
endif()
target_link_options(hsm_options INTERFACE -Wl,-z,relro,-z,now -Wl,--as-needed)
if(HSM_TIDY)
  set(CMAKE_CXX_CLANG_TIDY clang-tidy-19)
endif()
