# Kconfig is the only source of build options: .config in the build folder becomes CMake variables
# and autoconf.h. A new build folder begins with board/${FG_BOARD}/defconfig; FG_KCONFIG holds
# assignments that win over it ("CONFIG_TEST_HOOKS=y;CONFIG_DRIVER_COAP=m").
set(FG_BOARD generic CACHE STRING "which board/*/defconfig a new build folder begins with")
set(FG_KCONFIG "" CACHE STRING "assignments that win over the defconfig and .config")
set(FG_DOTCONFIG ${CMAKE_BINARY_DIR}/.config)
set(FG_AUTOCONF ${CMAKE_BINARY_DIR}/generated/autoconf.h)
set(FG_DEFCONFIG ${CMAKE_SOURCE_DIR}/board/${FG_BOARD}/defconfig)

# Debian's kconfiglib belongs to Debian's python3, whatever else stands first in PATH.
find_program(FG_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated)
execute_process(
	COMMAND ${FG_PYTHON} ${CMAKE_SOURCE_DIR}/cmake/kconfig.py
		--dotconfig ${FG_DOTCONFIG} --autoconf ${FG_AUTOCONF} --defconfig ${FG_DEFCONFIG}
		${FG_KCONFIG}
	WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
	RESULT_VARIABLE failed)
if(failed)
	message(FATAL_ERROR "the Kconfig configuration is not valid (see above)")
endif()

file(GLOB kconfigs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/drivers/*/Kconfig
	${CMAKE_SOURCE_DIR}/bridges/*/Kconfig ${CMAKE_SOURCE_DIR}/gateway/*/Kconfig)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${kconfigs}
	${CMAKE_SOURCE_DIR}/Kconfig ${CMAKE_SOURCE_DIR}/cmake/kconfig.py
	${FG_DOTCONFIG} ${FG_DEFCONFIG})

file(STRINGS ${FG_DOTCONFIG} lines REGEX "^CONFIG_[A-Z0-9_]+=")
foreach(line IN LISTS lines)
	string(REGEX MATCH "^(CONFIG_[A-Z0-9_]+)=\"?([^\"]*)\"?$" _ "${line}")
	set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
endforeach()
add_compile_options(-include ${FG_AUTOCONF})
