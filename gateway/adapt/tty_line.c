/*
 * The words for a serial line's setting, and their termios bits. One table per word list; what is
 * not in it is refused when the configuration is checked, never replaced by something near.
 */
#include "adapt/tty_line.h"

#include <fg/log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct fg_choice fg_tty_bauds[] = {
	{ "9600", B9600 },	 { "19200", B19200 },	  { "38400", B38400 },
	{ "57600", B57600 },	 { "115200", B115200 },	  { "230400", B230400 },
	{ "460800", B460800 },	 { "500000", B500000 },	  { "576000", B576000 },
	{ "921600", B921600 },	 { "1000000", B1000000 }, { "1152000", B1152000 },
	{ "1500000", B1500000 }, { "2000000", B2000000 }, { "2500000", B2500000 },
	{ "3000000", B3000000 }, { "3500000", B3500000 }, { "4000000", B4000000 },
	{ "4800", B4800 },	 { "2400", B2400 },	  { "1800", B1800 },
	{ "1200", B1200 },	 { "600", B600 },	  { "300", B300 },
	{ "200", B200 },	 { "150", B150 },	  { "134", B134 },
	{ "110", B110 },	 { "75", B75 },		  { "50", B50 },
	{ 0 },
};

unsigned long fg_tty_baud_number(speed_t speed)
{
	for (const struct fg_choice *baud = fg_tty_bauds; baud->name; baud++)
		if ((speed_t)baud->value == speed)
			return strtoul(baud->name, NULL, 10);
	return 9600;
}

static const struct {
	char letter;
	tcflag_t cflag;
} parities[] = {
	{ 'N', 0 },
	{ 'E', PARENB },
	{ 'O', PARENB | PARODD },
	{ 'S', PARENB | CMSPAR },
	{ 'M', PARENB | CMSPAR | PARODD },
};

static const tcflag_t data_bits[] = { CS5, CS6, CS7, CS8 };

int fg_tty_mode_parse(const char *mode, tcflag_t *ret_cflag)
{
	tcflag_t cflag;

	if (strlen(mode) != 3 || mode[0] < '5' || mode[0] > '8' || mode[2] < '1' || mode[2] > '2')
		return -EINVAL;
	cflag = data_bits[mode[0] - '5'];
	if (mode[2] == '2')
		cflag |= CSTOPB;
	for (size_t i = 0; i < sizeof(parities) / sizeof(parities[0]); i++) {
		if (parities[i].letter == mode[1]) {
			*ret_cflag = cflag | parities[i].cflag;
			return 0;
		}
	}
	return -EINVAL;
}

int fg_tty_mode_check(const char *mode, char *why, size_t cap)
{
	tcflag_t unused;
	char quoted[40];

	if (fg_tty_mode_parse(mode, &unused) == 0)
		return 0;
	snprintf(why, cap,
		 "%s is not a mode: data bits 5 to 8, parity N, E, O, M or S, stop bits 1 or 2",
		 fg_log_quote(mode, strlen(mode), quoted, sizeof(quoted)));
	return -EINVAL;
}

unsigned fg_tty_mode_bits(const char *mode)
{
	tcflag_t cflag;

	if (fg_tty_mode_parse(mode, &cflag) < 0)
		return 10;
	return 1 + (unsigned)(mode[0] - '0') + (mode[1] != 'N') + (unsigned)(mode[2] - '0');
}

int fg_tty_line_apply(const struct fg_tty_line *line, struct termios *tio)
{
	tcflag_t cflag;

	if (fg_tty_mode_parse(line->mode, &cflag) < 0)
		return -EINVAL;
	cfmakeraw(tio);
	tio->c_cflag &= ~(tcflag_t)(CSIZE | CSTOPB | PARENB | PARODD | CMSPAR | CRTSCTS);
	tio->c_cflag |= cflag | CLOCAL | CREAD;
	tio->c_iflag &= ~(tcflag_t)(IXON | IXOFF | IXANY | INPCK | IGNPAR | IMAXBEL);
	/* a byte with a parity error is read as NUL, which no checksum and no text survives */
	if (cflag & PARENB)
		tio->c_iflag |= INPCK;
	if (line->flow == FG_TTY_FLOW_RTSCTS)
		tio->c_cflag |= CRTSCTS;
	if (line->flow == FG_TTY_FLOW_XONXOFF)
		tio->c_iflag |= IXON | IXOFF;
	/* with VMIN 0, "nothing yet" would read as 0, which is how a hang-up reads */
	tio->c_cc[VMIN] = 1;
	tio->c_cc[VTIME] = 0;
	return cfsetspeed(tio, line->speed) < 0 ? -EINVAL : 0;
}

const char *fg_tty_line_differs(const struct termios *want, const struct termios *got)
{
	const tcflag_t mode = CSIZE | CSTOPB | PARENB | PARODD | CMSPAR;
	const tcflag_t xonxoff = IXON | IXOFF;

	if ((want->c_lflag ^ got->c_lflag) & (ICANON | ECHO | ISIG | IEXTEN) ||
	    (want->c_iflag ^ got->c_iflag) & (ICRNL | INLCR | IGNCR | ISTRIP | PARMRK) ||
	    (want->c_oflag ^ got->c_oflag) & OPOST)
		return "raw mode";
	if (cfgetospeed(want) != cfgetospeed(got))
		return "speed";
	if ((want->c_cflag ^ got->c_cflag) & mode)
		return "mode";
	if ((want->c_cflag ^ got->c_cflag) & CRTSCTS || (want->c_iflag ^ got->c_iflag) & xonxoff)
		return "flow control";
	return NULL;
}
