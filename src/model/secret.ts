/** Name of a secret, which is also the name of the environment variable that it becomes. */
export const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
/** The largest value, in bytes of UTF-8: it travels with the other variables of a function in one frame. */
export const SECRET_BYTES_MAX = 32 * 1024;
/** Secrets of one app. */
export const SECRETS_MAX = 200;
