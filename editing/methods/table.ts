import { alphaEdit, type AlphaEditOptions } from './alpha-edit.ts';
import { emmet, type EmmetOptions } from './emmet.ts';
import { ledger } from './ledger.ts';
import { memit, type MemitOptions } from './memit.ts';
import type { EditMethod, PriorOptions } from './method.ts';
import { rome, type RomeOptions } from './rome.ts';

/** The closed forms there are, and what each can be told. */
export interface EditOptions {
  readonly ledger: PriorOptions;
  readonly rome: RomeOptions;
  readonly memit: MemitOptions;
  readonly alphaEdit: AlphaEditOptions;
  readonly emmet: EmmetOptions;
}
export type EditMethodName = keyof EditOptions;

export const editMethods: { readonly [M in EditMethodName]: EditMethod<EditOptions[M]> } = {
  ledger,
  rome,
  memit,
  alphaEdit,
  emmet,
};

export const DEFAULT_EDIT_METHOD: EditMethodName = 'ledger';
