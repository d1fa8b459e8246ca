# Foreign libraries by the short names that fg_library, fg_adapter and fg_component take in LIBS.
find_package(PkgConfig REQUIRED)

set(FG_FOREIGN_mosquitto libmosquitto)
set(FG_FOREIGN_coap libcoap-3-openssl libcoap-3-gnutls libcoap-3-notls)
set(FG_FOREIGN_cjson libcjson)
set(FG_FOREIGN_cmocka cmocka)
set(FG_FOREIGN_ssl libssl)
set(FG_FOREIGN_crypto libcrypto)

# The target of a foreign library; fails when it is not installed.
function(fg_foreign name ret_target)
	if(name STREQUAL m OR name STREQUAL pthread OR name STREQUAL dl OR name STREQUAL util)
		set(${ret_target} ${name} PARENT_SCOPE)
		return()
	endif()
	if(NOT DEFINED FG_FOREIGN_${name})
		message(FATAL_ERROR "${name}: not a library that cmake/Foreign.cmake knows")
	endif()
	if(NOT TARGET PkgConfig::FGF_${name})
		pkg_search_module(FGF_${name} REQUIRED QUIET IMPORTED_TARGET GLOBAL ${FG_FOREIGN_${name}})
	endif()
	set(${ret_target} PkgConfig::FGF_${name} PARENT_SCOPE)
endfunction()
