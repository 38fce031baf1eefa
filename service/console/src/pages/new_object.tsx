// A new object: its photos, where it is in them, how large it is.

export function NewObjectPage({ draft }: { draft?: string }) {
  return <h1>New object {draft}</h1>;
}
