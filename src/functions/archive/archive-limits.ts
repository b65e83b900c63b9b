/** Limits of an uploaded app. Packing holds itself to the same ones, so that the answer comes before the upload. */

/** The archive as it is sent, compressed. */
export const ARCHIVE_BYTES_MAX = 256 * 1024 * 1024;
/** All files together, unpacked. */
export const UNPACKED_BYTES_MAX = 1024 * 1024 * 1024;
/** Files and folders. */
export const ENTRIES_MAX = 50_000;
/** Unpacked over packed size; checked from `RATIO_FROM_BYTES` on, because small texts may pack very well. */
export const RATIO_MAX = 200;
export const RATIO_FROM_BYTES = 16 * 1024 * 1024;
/** One path, in bytes of UTF-8, and one of its parts. */
export const PATH_BYTES_MAX = 1_024;
export const PATH_PART_BYTES_MAX = 255;
/** Folders within folders. */
export const PATH_DEPTH_MAX = 64;
/** Pax records or a GNU long name of one entry. */
export const META_BYTES_MAX = 64 * 1024;
/** Headers, extended names and padding that one entry may come with, on average. */
export const ENTRY_OVERHEAD_BYTES = 4 * 1024;
