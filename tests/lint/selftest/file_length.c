/* gateway/base/long.c: file_length */
/*
@LINES 801@
*/
