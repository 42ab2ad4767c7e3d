import type { ReactNode } from "react";

function icon(children: ReactNode) {
  return function Icon() {
    return (
      <svg className="icon" viewBox="0 0 20 20" width="16" height="16" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
        {children}
      </svg>
    );
  };
}

export const Sun = icon(<><circle cx="10" cy="10" r="3.4" /><path d="M10 2.5v1.6M10 15.9v1.6M2.5 10h1.6M15.9 10h1.6M4.7 4.7l1.1 1.1M14.2 14.2l1.1 1.1M4.7 15.3l1.1-1.1M14.2 5.8l1.1-1.1" /></>);
export const Moon = icon(<path d="M16.5 11.8A6.8 6.8 0 0 1 8.2 3.5a6.8 6.8 0 1 0 8.3 8.3Z" />);
export const Key = icon(<><circle cx="6.8" cy="13.2" r="3.3" /><path d="m9.2 10.8 7-7M13.4 6.6l2 2" /></>);
export const Back = icon(<path d="M11.8 4.6 6.4 10l5.4 5.4" />);
export const Forward = icon(<path d="M8.2 4.6 13.6 10l-5.4 5.4" />);
export const ThumbUp = icon(<path d="M6.2 9 9 3.4c1.4 0 2.1.9 1.9 2.2l-.4 2.3h4.2c1.1 0 1.8 1 1.5 2l-1.3 4.9c-.2.7-.8 1.2-1.6 1.2H6.2ZM3.6 9h2.6v7H3.6Z" />);
export const ThumbDown = icon(<path d="M13.8 11 11 16.6c-1.4 0-2.1-.9-1.9-2.2l.4-2.3H5.3c-1.1 0-1.8-1-1.5-2l1.3-4.9c.2-.7.8-1.2 1.6-1.2h7.1ZM16.4 11h-2.6V4h2.6Z" />);
export const Bubble = icon(<path d="M4.5 4h11A1.5 1.5 0 0 1 17 5.5v7a1.5 1.5 0 0 1-1.5 1.5H9l-3.6 2.8V14h-.9A1.5 1.5 0 0 1 3 12.5v-7A1.5 1.5 0 0 1 4.5 4Z" />);
export const Heart = icon(<path d="M10 16.4S3.2 12.5 3.2 7.8A3.6 3.6 0 0 1 10 6.2a3.6 3.6 0 0 1 6.800 1.600c0 4.700-6.800 8.600-6.800 8.600Z" />);

/** Two tracks, one fading into the other. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="8" className="mark-ground" />
      <path d="M6 9c10 0 10 14 20 14" className="mark-out" />
      <path d="M6 23c10 0 10-14 20-14" className="mark-in" />
    </svg>
  );
}
