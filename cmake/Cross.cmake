# The toolchain file for a sysroot that board/sysroot made:
#   cmake -DCMAKE_TOOLCHAIN_FILE=cmake/Cross.cmake -DFG_ARCH=arm64 -DFG_SYSROOT=DIR
# ctest runs the tests under qemu-user, or with the sysroot's own loader where the processor is ours.
set(FG_ARCH "" CACHE STRING "amd64, arm64 or armhf")
set(FG_SYSROOT "" CACHE PATH "where the target's headers and libraries are")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FG_ARCH FG_SYSROOT)

if(FG_ARCH STREQUAL amd64)
	set(triple x86_64-linux-gnu)
	set(CMAKE_SYSTEM_PROCESSOR x86_64)
elseif(FG_ARCH STREQUAL arm64)
	set(triple aarch64-linux-gnu)
	set(CMAKE_SYSTEM_PROCESSOR aarch64)
	set(emulator qemu-aarch64-static)
elseif(FG_ARCH STREQUAL armhf)
	set(triple arm-linux-gnueabihf)
	set(CMAKE_SYSTEM_PROCESSOR armv7l)
	set(emulator qemu-arm-static)
else()
	message(FATAL_ERROR "FG_ARCH is \"${FG_ARCH}\": amd64, arm64 or armhf")
endif()
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_LIBRARY_ARCHITECTURE ${triple})
set(CMAKE_C_LIBRARY_ARCHITECTURE ${triple})
set(CMAKE_C_COMPILER ${triple}-gcc)
set(CMAKE_SYSROOT ${FG_SYSROOT})

# A cross compiler of Debian takes the C library that came with it before the sysroot's, which may be
# of another version: the places are given one by one.
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=include
	OUTPUT_VARIABLE own OUTPUT_STRIP_TRAILING_WHITESPACE)
set(lib ${FG_SYSROOT}/usr/lib/${triple})
set(CMAKE_C_FLAGS_INIT "-nostdinc -isystem ${own} -isystem ${FG_SYSROOT}/usr/include/${triple} \
-isystem ${FG_SYSROOT}/usr/include -B${lib}")
foreach(kind EXE SHARED MODULE)
	set(CMAKE_${kind}_LINKER_FLAGS_INIT "-L${lib} -Wl,-rpath-link,${lib}")
endforeach()

set(CMAKE_FIND_ROOT_PATH ${FG_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${FG_SYSROOT})
set(ENV{PKG_CONFIG_PATH} "")
set(ENV{PKG_CONFIG_LIBDIR} ${lib}/pkgconfig:${FG_SYSROOT}/usr/share/pkgconfig)

if(emulator)
	set(CMAKE_CROSSCOMPILING_EMULATOR ${emulator} -L ${FG_SYSROOT})
else()
	set(CMAKE_CROSSCOMPILING_EMULATOR ${FG_SYSROOT}/usr/lib64/ld-linux-x86-64.so.2
		--library-path ${lib})
endif()
