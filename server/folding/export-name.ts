/** The name of an export, and of its folder: no path leads out. */
export const exportName = /^[A-Za-z0-9][\w.-]{0,63}$/;
