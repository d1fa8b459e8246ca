/* One command of `fieldgate fleet`. */
#pragma once

int cli_fleet_sign(int argc, char **argv);
