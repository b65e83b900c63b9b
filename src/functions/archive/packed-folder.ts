/** What whoever packs an app's folder and the server that unpacks it agree on, besides the format. */

/** The server can install an app's packages again from these. */
export const NPM_LOCKS = ['package-lock.json', 'npm-shrinkwrap.json'];

/** Tells the server the folder's name, which names an app that does not name itself. */
export const FOLDER_NAME_FILE = '.lambent/folder-name';
