# Two Debian packages of one build, by CPack: llamad with the dashboard, and alpaca-agent. scripts/package makes them.
set(PACKAGE_RELEASE 1)
set(MAINTAINER "smollama-cluster maintainers <maintainers@smollama-cluster.invalid>")
set(DEBIAN_BUILD_DIR ${CMAKE_CURRENT_BINARY_DIR}/debian)

file(STRINGS ${CMAKE_SOURCE_DIR}/LICENSE LICENSE_LINES)
file(READ ${CMAKE_SOURCE_DIR}/LICENSE LICENSE_TEXT)
list(FILTER LICENSE_LINES INCLUDE REGEX "^Copyright")
string(REGEX REPLACE "^Copyright (\\(c\\) )?" "" COPYRIGHT "${LICENSE_LINES}")
string(REGEX REPLACE "^.*\n(Permission is)" "\\1" LICENSE_TEXT "${LICENSE_TEXT}")
string(REGEX REPLACE "\n\n" "\n.\n" LICENSE_TEXT "${LICENSE_TEXT}")
string(REGEX REPLACE "\n$" "" LICENSE_TEXT "${LICENSE_TEXT}")
string(REPLACE "\n" "\n " LICENSE_TEXT " ${LICENSE_TEXT}")

# What only a package has: installed when its component alone is, as CPack does.
function(debian_compressed source target component)
    add_custom_command(OUTPUT ${target} COMMAND sh -c "gzip -9nc '${source}' > '${target}'" DEPENDS ${source} VERBATIM)
    string(MAKE_C_IDENTIFIER ${target} id)
    add_custom_target(${id} ALL DEPENDS ${target})
endfunction()

function(debian_package component package state_dir)
    set(PACKAGE ${package})
    set(STATE_DIR ${state_dir})
    set(folder ${DEBIAN_BUILD_DIR}/${package})
    file(MAKE_DIRECTORY ${folder})
    foreach(script postinst prerm postrm)
        configure_file(${CMAKE_CURRENT_SOURCE_DIR}/debian/${script}.in ${folder}/${script} @ONLY
            FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
    endforeach()
    file(WRITE ${folder}/conffiles "/etc/${package}/config.yaml\n")
    configure_file(${CMAKE_CURRENT_SOURCE_DIR}/debian/copyright.in ${folder}/copyright @ONLY)
    configure_file(${CMAKE_CURRENT_SOURCE_DIR}/debian/changelog.in ${folder}/changelog.Debian @ONLY)
    debian_compressed(${folder}/changelog.Debian ${folder}/changelog.Debian.gz ${component})
    debian_compressed(${CMAKE_SOURCE_DIR}/CHANGELOG.md ${folder}/changelog.gz ${component})
    install(FILES ${folder}/copyright ${folder}/changelog.Debian.gz ${folder}/changelog.gz
        DESTINATION share/doc/${package} COMPONENT ${component} EXCLUDE_FROM_ALL)
    string(TOUPPER ${component} COMPONENT)
    set(CPACK_DEBIAN_${COMPONENT}_PACKAGE_CONTROL_EXTRA
        "${folder}/postinst;${folder}/prerm;${folder}/postrm;${folder}/conffiles" PARENT_SCOPE)
    set(CPACK_DEBIAN_${COMPONENT}_PACKAGE_NAME ${package} PARENT_SCOPE)
    # libwebsockets loads its libuv part at run time, so no tool sees it. The user is made by systemd-sysusers.
    set(CPACK_DEBIAN_${COMPONENT}_PACKAGE_DEPENDS
        "libwebsockets-evlib-uv, systemd | systemd-standalone-sysusers | systemd-sysusers" PARENT_SCOPE)
endfunction()

debian_package(llamad llamad /var/lib/llamad)
debian_package(agent alpaca-agent "")
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs/ DESTINATION share/doc/llamad COMPONENT llamad EXCLUDE_FROM_ALL
    PATTERN pictures EXCLUDE)

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL llamad agent)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${PACKAGE_RELEASE})
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${MAINTAINER}")
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_LLAMAD_PACKAGE_SECTION net)
set(CPACK_DEBIAN_LLAMAD_PACKAGE_RECOMMENDS mosquitto)
set(CPACK_DEBIAN_LLAMAD_PACKAGE_SUGGESTS "alpaca-agent, mosquitto-clients")
set(CPACK_DEBIAN_AGENT_PACKAGE_SECTION net)
set(CPACK_DEBIAN_AGENT_PACKAGE_SUGGESTS llamad)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # or it would stand before each package's own
set(CPACK_DEBIAN_LLAMAD_DESCRIPTION "live picture of all Smollama nodes, with dashboard and API
llamad keeps the last value of everything that the Smollama nodes of a
cluster say over MQTT, works out how each one really is, asks over HTTP
where MQTT is silent, and serves a live dashboard and one HTTP API for the
whole cluster, Prometheus metrics, and states for Home Assistant.")
set(CPACK_DEBIAN_AGENT_DESCRIPTION "publishes what the Smollama on this machine knows
alpaca-agent runs beside Smollama, asks its HTTP API for readings,
observations, memories and statistics, and publishes them with a heartbeat
over MQTT, where llamad and anybody else may listen. It can stand in for
Smollama with the temperature, load and memory of the machine.")
include(CPack)
