# The dialect, the warnings (which are errors), the hardening, and the kinds of build.
option(FG_TESTS "build the tests" ON)
option(FG_WERROR "warnings are errors" ON)
option(FG_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(FG_FUZZ "libFuzzer programs (clang only); implies the sanitizers" OFF)
option(FG_STRICT "a source file that is named but does not exist is an error" OFF)
set(FG_ONLY "" CACHE STRING "only these gateway/ folders, no drivers and bridges; empty: everything")

if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()
# Assertions stay on in a release: a gateway that is wrong about itself has to stop and start anew.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-Og -g3")
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_compile_options(
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual
	-Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough -fno-common
	-fstack-protector-strong -ffunction-sections -fdata-sections)
if(FG_WERROR)
	add_compile_options(-Werror)
endif()
add_compile_definitions(_GNU_SOURCE FG_VERSION="${PROJECT_VERSION}")
if(CMAKE_CROSSCOMPILING)
	# what is shipped does not depend on the folder in which it was made
	add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
endif()
if(CMAKE_SIZEOF_VOID_P EQUAL 4)
	add_compile_definitions(_FILE_OFFSET_BITS=64 _TIME_BITS=64)
endif()
add_link_options(-Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--gc-sections -Wl,--as-needed)

if(FG_FUZZ)
	if(NOT CMAKE_C_COMPILER_ID STREQUAL Clang)
		message(FATAL_ERROR "FG_FUZZ needs clang: -DCMAKE_C_COMPILER=clang")
	endif()
	set(FG_SANITIZE ON)
	add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(FG_SANITIZE)
	add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
		-fno-omit-frame-pointer)
	add_link_options(-fsanitize=address,undefined)
	if(CMAKE_C_COMPILER_ID STREQUAL GNU)
		# with its instrumentation in the code, gcc 12 sees what is not there
		add_compile_options(-Wno-maybe-uninitialized)
	endif()
elseif(CMAKE_BUILD_TYPE STREQUAL Release)
	add_compile_definitions(_FORTIFY_SOURCE=2)
	# C unwinds nothing at run time, and a debugger has the tables in the debugging information:
	# a tenth of the program
	add_compile_options(-fno-asynchronous-unwind-tables -fno-unwind-tables)
	# no measured step got slower by it, and the program is smaller by 7 KiB
	if(CMAKE_C_COMPILER_ID STREQUAL GNU)
		add_compile_options(-fno-align-jumps -fno-align-loops)
	endif()
endif()
# constants and code in one segment, as the linker has it on ARM anyway: less padding, 8 KiB
add_link_options(-Wl,-z,noseparate-code)
# tables of pointers need a relocation each, which this packs to a bit each (glibc 2.36)
include(CheckLinkerFlag)
check_linker_flag(C "-Wl,--fatal-warnings,-z,pack-relative-relocs" FG_PACKED_RELOCATIONS)
if(FG_PACKED_RELOCATIONS)
	add_link_options(-Wl,-z,pack-relative-relocs)
endif()

# Programs are position-independent. Their libraries are compiled with -fPIE, not -fPIC, so that
# the compiler may inline across public functions; only what goes into a module needs -fPIC.
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
