# fg_library, fg_adapter and fg_program: how the folders of gateway/ become one program.
#
# All libraries are static and may use each other in a circle through callbacks, so a program links
# them as one group; only the members that it needs end up in it.

# Prints what does not exist yet and returns the rest.
function(fg_existing ret_sources)
	set(found)
	foreach(source IN LISTS ARGN)
		get_filename_component(path ${source} ABSOLUTE)
		if(EXISTS ${path})
			list(APPEND found ${source})
		else()
			file(RELATIVE_PATH path ${CMAKE_SOURCE_DIR} ${path})
			if(FG_STRICT)
				message(FATAL_ERROR "${path} does not exist")
			endif()
			message(NOTICE "note: ${path} does not exist: left out")
		endif()
	endforeach()
	set(${ret_sources} ${found} PARENT_SCOPE)
endfunction()

function(fg_static target kind)
	cmake_parse_arguments(PARSE_ARGV 2 A "" "" "SOURCES;LIBS")
	add_library(${target} STATIC ${A_SOURCES})
	target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/gateway
		${CMAKE_SOURCE_DIR}/gateway/include)
	target_compile_options(${target} PRIVATE ${kind})
	set_property(GLOBAL APPEND PROPERTY FG_ARCHIVES ${target})
	foreach(lib IN LISTS A_LIBS)
		# an adapter is in the group anyway; its target must not use itself
		if(NOT TARGET fg_adapt_${lib} OR target STREQUAL fg_adapt_${lib})
			fg_foreign(${lib} foreign)
			target_link_libraries(${target} PRIVATE ${foreign})
			set_property(GLOBAL APPEND PROPERTY FG_FOREIGN ${foreign})
		endif()
	endforeach()
endfunction()

# fg_library(NAME a.c b.c [LIBS cjson] [SMALL]): gateway/NAME. SMALL: no record passes through it, so
# that its size counts and not its speed.
function(fg_library name)
	cmake_parse_arguments(PARSE_ARGV 1 A "SMALL" "" "LIBS")
	fg_existing(sources ${A_UNPARSED_ARGUMENTS})
	if(sources)
		fg_static(fg_${name} -fPIE SOURCES ${sources} LIBS ${A_LIBS})
	endif()
	if(A_SMALL AND TARGET fg_${name})
		target_compile_options(fg_${name} PRIVATE $<$<CONFIG:Release>:-Os>)
	endif()
endfunction()

# fg_small(a.c b.c): of the targets of this folder, the files that no record passes through: their size
# counts and not their speed.
function(fg_small)
	set_source_files_properties(${ARGN} PROPERTIES
		COMPILE_OPTIONS $<$<CONFIG:Release>:-Os>)
endfunction()

# fg_adapter(NAME a.c [LIBS mosquitto]): in gateway/adapt, one foreign library made a citizen of the
# loop. A component takes it by LIBS NAME; a module gets a copy of its own, so that the program
# carries a library only when something built in needs it.
function(fg_adapter name)
	cmake_parse_arguments(PARSE_ARGV 1 A "" "" "LIBS")
	fg_existing(sources ${A_UNPARSED_ARGUMENTS})
	if(NOT sources)
		return()
	endif()
	fg_static(fg_adapt_${name} "-fPIC;-fvisibility=hidden" SOURCES ${sources} LIBS ${A_LIBS})
endfunction()

# What the modules of this build need of the program: the linker keeps and exports exactly that.
function(fg_exports ret_list ret_options)
	get_property(modules GLOBAL PROPERTY FG_MODULES)
	set(list ${CMAKE_BINARY_DIR}/generated/exports.list)
	set(options ${CMAKE_BINARY_DIR}/generated/exports.options)
	set(files ${modules})
	list(TRANSFORM files REPLACE "(.+)" "$<TARGET_FILE:\\1>")
	add_custom_command(OUTPUT ${list} ${options}
		COMMAND ${CMAKE_SOURCE_DIR}/cmake/exports ${CMAKE_NM} ${list} ${options} ${files}
		DEPENDS ${modules} ${CMAKE_SOURCE_DIR}/cmake/exports VERBATIM)
	add_custom_target(fg_exports DEPENDS ${list} ${options})
	set(${ret_list} ${list} PARENT_SCOPE)
	set(${ret_options} ${options} PARENT_SCOPE)
endfunction()

# fg_world: everything that is built in, as one link group. Call when all folders were read.
function(fg_link_world)
	get_property(archives GLOBAL PROPERTY FG_ARCHIVES)
	get_property(foreign GLOBAL PROPERTY FG_FOREIGN)
	get_property(modules GLOBAL PROPERTY FG_MODULES)
	list(REMOVE_DUPLICATES foreign)
	set(files ${archives})
	list(TRANSFORM files REPLACE "(.+)" "$<TARGET_FILE:\\1>")
	find_package(Threads REQUIRED)
	add_library(fg_world INTERFACE)
	target_include_directories(fg_world INTERFACE ${CMAKE_SOURCE_DIR}/gateway
		${CMAKE_SOURCE_DIR}/gateway/include)
	target_link_libraries(fg_world INTERFACE -Wl,--start-group ${files} -Wl,--end-group
		${foreign} Threads::Threads ${CMAKE_DL_LIBS} m)
	if(modules)
		fg_exports(list options)
		set_property(GLOBAL PROPERTY FG_EXPORTS -Wl,--dynamic-list=${list} @${options})
	endif()
endfunction()

# Makes an executable of the gateway's: links fg_world, position-independent. NO_MODULES: it loads
# none, and may have functions of its own in the place of those that a module would need.
function(fg_program target)
	cmake_parse_arguments(PARSE_ARGV 1 A "NO_MODULES" "" "")
	get_property(archives GLOBAL PROPERTY FG_ARCHIVES)
	get_property(modules GLOBAL PROPERTY FG_MODULES)
	set_property(TARGET ${target} PROPERTY POSITION_INDEPENDENT_CODE ON)
	target_link_libraries(${target} PRIVATE fg_world)
	# fg_world names files, so the order of building has to be told apart
	add_dependencies(${target} ${archives} ${modules})
	if(modules AND NOT A_NO_MODULES)
		get_property(exports GLOBAL PROPERTY FG_EXPORTS)
		target_link_options(${target} PRIVATE ${exports})
		add_dependencies(${target} fg_exports)
		set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS
			${CMAKE_BINARY_DIR}/generated/exports.list)
	endif()
endfunction()

# fg_test_fits(SOURCE RET): false if the test needs a driver, bridge or decoder that is no part of the
# program in this configuration (a module, or absent): it names its symbol or includes its headers,
# itself or through a header beside it.
function(fg_test_fits source ret)
	get_filename_component(folder ${source} DIRECTORY)
	set(words)
	set(files ${source})
	file(STRINGS ${source} includes REGEX "^#include \"[a-z_]+\\.h\"")
	foreach(line IN LISTS includes)
		string(REGEX MATCH "\"(.*)\"" _ "${line}")
		if(EXISTS ${folder}/${CMAKE_MATCH_1})
			list(APPEND files ${folder}/${CMAKE_MATCH_1})
		endif()
	endforeach()
	foreach(file IN LISTS files)
		file(READ ${file} text)
		string(REGEX MATCHALL "fg_(driver|bridge|decoder)_[a-z0-9]+|(driver|bridge)s/[a-z0-9]+/" found
			"${text}")
		if(text MATCHES "#include \"console/")
			list(APPEND found console_http)
		endif()
		list(APPEND words ${found})
	endforeach()
	set(fits TRUE)
	foreach(word IN LISTS words)
		string(REGEX MATCH "(driver|bridge|decoder|console)s?[_/]([a-z0-9]+)" _ "${word}")
		get_property(declared GLOBAL PROPERTY FG_DECLARED_${CMAKE_MATCH_1})
		get_property(builtin GLOBAL PROPERTY FG_BUILTIN_${CMAKE_MATCH_1})
		if(CMAKE_MATCH_2 IN_LIST declared AND NOT CMAKE_MATCH_2 IN_LIST builtin)
			set(fits FALSE)
		endif()
	endforeach()
	set(${ret} ${fits} PARENT_SCOPE)
endfunction()
