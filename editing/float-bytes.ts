/** Numbers as bytes, little-endian as every machine this runs on; a view of the same memory. */
export const fromFloats = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** The numbers of such bytes: a copy, since bytes from elsewhere need not lie at a multiple of four. */
export const toFloats = (bytes: Uint8Array): Float32Array => new Float32Array(Uint8Array.from(bytes).buffer);
