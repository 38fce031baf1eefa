// Text to take away.

import { useEffect, useState } from "preact/hooks";

/** `what`: names the text for those who don't see what the button stands beside. */
export function CopyButton({ text, label = "Copy", what }: { text: string; label?: string; what: string }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setSaid(""), 2000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => setSaid((await write(text)) ? "Copied" : "Select it and copy it by hand");
  return (
    <>
      <button type="button" class="tool" aria-label={`${label} ${what}`} onClick={copy}>{said || label}</button>
      <span class="unseen" role="status">{said}</span>
    </>
  );
}

export function Code({ title, text }: { title: string; text: string }) {
  return (
    <figure class="code">
      <figcaption>
        {title} <CopyButton text={text} what={title.replace(/^The/, "the")} />
      </figcaption>
      <pre tabIndex={0}><code>{text}</code></pre>
    </figure>
  );
}

/** Browsers give the clipboard to https and localhost only; elsewhere the old way has to do. */
async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

function copySelected(text: string): boolean {
  const [area, focused] = [document.createElement("textarea"), document.activeElement];
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  (focused as HTMLElement | null)?.focus();
  return copied;
}
