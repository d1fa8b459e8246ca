# Components (drivers, bridges, decoders, commands, consoles, catalogs, ways to run) and the one generated
# table that names them.
#
# The naming law: CONFIG_DRIVER_X <=> folder drivers/x <=> symbol fg_driver_x <=> "type": "x".
# A decoder is a component of gateway/decode and has no folder unless it is large; its framer, where
# the protocol has its own, is part of it. The console is one of gateway/console.
# y: linked into the program; m: modules/fg_driver_x.so, loaded when it is needed; n: absent, but
# known by its name.
include(GNUInstallDirs)
set(FG_MODULE_DIR ${CMAKE_INSTALL_FULL_LIBDIR}/fieldgate)
# how it lies to the program, wherever both are put
file(RELATIVE_PATH FG_MODULE_FROM_PROGRAM ${CMAKE_INSTALL_FULL_BINDIR} ${FG_MODULE_DIR})

# fg_component(driver|bridge|decoder|cli|console|catalog|run NAME SOURCES a.c b.c [LIBS mosquitto])
# LIBS are adapters (gateway/adapt, fg_adapter) or foreign libraries (cmake/Foreign.cmake).
function(fg_component kind name)
	cmake_parse_arguments(PARSE_ARGV 2 A "" "" "SOURCES;LIBS")
	string(TOUPPER "CONFIG_${kind}_${name}" symbol)
	set_property(GLOBAL APPEND PROPERTY FG_DECLARED_${kind} ${name})
	fg_existing(sources ${A_SOURCES})
	if(NOT sources OR NOT sources STREQUAL A_SOURCES)
		message(NOTICE "note: ${kind} ${name} is incomplete: left out")
		return()
	endif()
	if("${${symbol}}" STREQUAL y)
		fg_static(fg_${kind}_${name} -fPIE SOURCES ${sources} LIBS ${A_LIBS})
		set_property(GLOBAL APPEND PROPERTY FG_BUILTIN_${kind} ${name})
	elseif("${${symbol}}" STREQUAL m)
		fg_module(${kind} ${name} SOURCES ${sources} LIBS ${A_LIBS})
		set_property(GLOBAL APPEND PROPERTY FG_MODULE_${kind} ${name})
	endif()
endfunction()

function(fg_module kind name)
	cmake_parse_arguments(PARSE_ARGV 2 A "" "" "SOURCES;LIBS")
	set(target fg_${kind}_${name})
	set(version ${CMAKE_BINARY_DIR}/generated/module_version.c)
	file(CONFIGURE OUTPUT ${version} @ONLY
		CONTENT "extern const char fg_module_version[];\nconst char fg_module_version[] = FG_VERSION;\n")
	add_library(${target} MODULE ${A_SOURCES} ${version})
	set_target_properties(${target} PROPERTIES PREFIX ""
		LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/modules)
	target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/gateway
		${CMAKE_SOURCE_DIR}/gateway/include)
	# its own name and the version go out; what it needs of fg_* comes from the program
	file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/${target}.map
		CONTENT "{\n\tglobal: ${target}; fg_module_version;\n\tlocal: *;\n};\n" @ONLY)
	target_link_options(${target} PRIVATE
		-Wl,--version-script=${CMAKE_BINARY_DIR}/generated/${target}.map)
	foreach(lib IN LISTS A_LIBS)
		if(TARGET fg_adapt_${lib})
			target_link_libraries(${target} PRIVATE fg_adapt_${lib})
		else()
			fg_foreign(${lib} foreign)
			target_link_libraries(${target} PRIVATE ${foreign})
		endif()
	endforeach()
	# which the program does without; behind those that need it
	target_link_libraries(${target} PRIVATE m)
	set_property(GLOBAL APPEND PROPERTY FG_MODULES ${target})
	install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/fieldgate)
endfunction()

function(fg_registry_names out kind list)
	set(text "const char *const fg_${list}_${kind}s[] = {\n")
	foreach(name IN LISTS ARGN)
		string(APPEND text "\t\"${name}\",\n")
	endforeach()
	set(${out} "${${out}}${text}\tNULL,\n};\n\n" PARENT_SCOPE)
endfunction()

# Every name that Kconfig knows of a kind.
function(fg_registry_known kind ret_names)
	string(TOUPPER ${kind} upper)
	file(STRINGS ${FG_DOTCONFIG} lines REGEX "CONFIG_${upper}_[A-Z0-9_]+[= ]")
	set(names)
	foreach(line IN LISTS lines)
		string(REGEX MATCH "CONFIG_${upper}_([A-Z0-9_]+)(=[ym]| is not set)" _ "${line}")
		if(CMAKE_MATCH_1)
			string(TOLOWER ${CMAKE_MATCH_1} name)
			list(APPEND names ${name})
		endif()
	endforeach()
	set(${ret_names} ${names} PARENT_SCOPE)
endfunction()

# generated/registry_KIND.c, a file a kind so that who looks for one is not linked with the others, and the
# library fg_registry, which looks names up. Call when all folders were read.
function(fg_registry_write)
	set(files)
	foreach(kind driver bridge decoder cli console catalog run)
		set(c "/* Made by cmake/Registry.cmake from .config. */\n#include <stddef.h>\n\n")
		string(APPEND c "#include <fg/registry.h>\n\n")
		get_property(builtin GLOBAL PROPERTY FG_BUILTIN_${kind})
		get_property(module GLOBAL PROPERTY FG_MODULE_${kind})
		fg_registry_known(${kind} absent)
		list(REMOVE_ITEM absent ${builtin} ${module} "")
		list(SORT builtin)
		list(SORT module)
		list(SORT absent)
		foreach(name IN LISTS builtin)
			string(APPEND c "extern const struct fg_${kind} fg_${kind}_${name};\n")
		endforeach()
		string(APPEND c "const struct fg_${kind} *const fg_builtin_${kind}s[] = {\n")
		foreach(name IN LISTS builtin)
			string(APPEND c "\t&fg_${kind}_${name},\n")
		endforeach()
		string(APPEND c "\tNULL,\n};\n")
		set(file ${CMAKE_BINARY_DIR}/generated/registry_${kind}.c)
		file(CONFIGURE OUTPUT ${file} CONTENT "${c}" @ONLY)
		list(APPEND files ${file})
		set(c "#include <stddef.h>\n\n#include <fg/registry.h>\n\n")
		fg_registry_names(c ${kind} builtin_names ${builtin})
		fg_registry_names(c ${kind} module ${module})
		fg_registry_names(c ${kind} absent ${absent})
		file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/registry_${kind}_names.c
			CONTENT "${c}" @ONLY)
		list(APPEND files ${CMAKE_BINARY_DIR}/generated/registry_${kind}_names.c)
	endforeach()
	set(folder ${CMAKE_SOURCE_DIR}/gateway/config)
	fg_static(fg_registry -fPIE SOURCES ${files} ${folder}/registry.c ${folder}/registry_cli.c
		${folder}/registry_console.c ${folder}/registry_catalog.c ${folder}/registry_run.c)
	target_compile_options(fg_registry PRIVATE $<$<CONFIG:Release>:-Os>)
	target_compile_definitions(fg_registry PRIVATE FG_MODULE_DIR="${FG_MODULE_DIR}"
		FG_MODULE_FROM_PROGRAM="${FG_MODULE_FROM_PROGRAM}")
endfunction()
