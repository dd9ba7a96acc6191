/** What a form holds, field by field, without white space around; nothing for fields that it does not have. */
export function valuesOf(form: HTMLFormElement): (name: string) => string {
  const given = new FormData(form);
  return (name) => {
    const value = given.get(name);
    return typeof value === 'string' ? value.trim() : '';
  };
}
