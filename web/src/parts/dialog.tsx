// A dialog over the page. The browser keeps the focus in it, closes it by Esc and gives the focus back.
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';

interface DialogProps {
  title: string;
  class: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, class: name, onClose, children }: DialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      class={name}
      aria-label={title}
      onClose={onClose}
      // What is inside covers it: only the backdrop is the dialog itself.
      onClick={(event) => event.target === event.currentTarget && event.currentTarget.close()}
    >
      {children}
    </dialog>
  );
}
