/** @file WebAssembly modules byte by byte (webassembly.github.io/spec), as far as the kernels here need them. */

export const I32 = 0x7f;
export const F32 = 0x7d;
export const V128 = 0x7b;

export function leb(n: number): number[] {
  const out: number[] = [];
  for (; n > 127; n = Math.floor(n / 128)) out.push((n % 128) + 128);
  return [...out, n];
}

/** Signed, for i32.const of positive numbers. */
export const sleb = (n: number): number[] => {
  const out = leb(n);
  if (out[out.length - 1] & 0x40) out.push((out.pop()! | 0x80) & 0xff, 0);
  return out;
};

export const text = (s: string): number[] => [s.length, ...Buffer.from(s)];

export const section = (id: number, items: readonly (readonly number[])[]): number[] => {
  const body = [...leb(items.length), ...items.flat()];
  return [id, ...leb(body.length), ...body];
};

export const func = (
  locals: readonly (readonly [count: number, type: number])[],
  code: readonly number[],
): number[] => {
  const body = [...leb(locals.length), ...locals.flatMap(([n, type]) => [...leb(n), type]), ...code, 0x0b];
  return [...leb(body.length), ...body];
};

export const get = (i: number): number[] => [0x20, i];
export const set = (i: number): number[] => [0x21, i];
export const tee = (i: number): number[] => [0x22, i];
export const simd = (opcode: number): number[] => [0xfd, ...leb(opcode)];
/** A SIMD instruction that reads or writes memory, `align` being a power of two. */
export const at = (opcode: number, offset: number, align = 3): number[] => [...simd(opcode), align, ...leb(offset)];

export interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
}

/** As far as it is used here: TypeScript declares it for browsers only. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { exports: Exports };
};

/** A function that makes instances of a module, each with a memory of its own. */
export function wasmModule<E>(bytes: Uint8Array): () => E & Exports {
  const module = new WebAssembly.Module(bytes);
  return () => new WebAssembly.Instance(module).exports as E & Exports;
}
