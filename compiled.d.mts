/** Returns the folder of the compiled files, or undefined where they cannot be written. */
export function bringUpToDate(root: string): string | undefined;
