import { useCallback, useEffect, useMemo, useState } from "react";
import { PersonDocument } from "../gql/operations";
import { useSession, type Viewer } from "../identity/Session";
import { Header } from "../page/Header";
import { Charts } from "./Charts";
import { Controls } from "./Controls";
import { spanName } from "./format";
import { Gate } from "./Gate";
import { Leaderboard } from "./Leaderboard";
import { LiveCard, LiveLight } from "./LiveCard";
import { PersonCards, PersonHead } from "./Person";
import { TopTracks } from "./TopTracks";
import { useLive } from "./useLive";
import { useQuery } from "./useQuery";
import { printView, readView, span as spanOf, spanBefore, timeRange, type Span, type View } from "./view";

/** The page: the numbers of everyone or of one person, or the way in. */
export function Dashboard() {
  const { standing } = useSession();
  if (standing.is === "known") return <Numbers viewer={standing.viewer} />;
  return (
    <>
      <Header page="dashboard" />
      <Gate />
    </>
  );
}

function Numbers({ viewer }: { viewer: Viewer }) {
  const [view, setView] = useView();
  const [round, setRound] = useState(0);
  const refresh = useCallback(() => setRound((n) => n + 1), []);
  const now = useMemo(() => new Date(), [view, round]);
  const span = useMemo(() => spanOf(view, now), [view, now]);
  const user = viewer.analyst ? view.user : (viewer.id ?? "");
  const live = useLive(user, refresh);
  const onWiden = view.range === "12m" ? undefined : () => setView({ ...view, range: "12m", bucket: "WEEK" });
  const page: PageProps = { view, span, round, viewer, now, onChange: setView };
  return (
    <>
      <Header page="dashboard"><LiveLight live={live} /></Header>
      <main className="numbers">
        {user ? (
          <OnePerson {...page} user={user}>
            <Charts view={view} span={span} user={user} round={round} onWiden={onWiden} />
            <LiveCard live={live} timeZone={view.timeZone} />
          </OnePerson>
        ) : (
          <>
            <Top {...page}><h1>Everyone</h1></Top>
            <Charts view={view} span={span} user="" round={round} onWiden={onWiden} />
            <div className="lower">
              <Leaderboard view={view} span={span} round={round} onOrder={(order) => setView({ ...view, order })} onPerson={(id) => setView({ ...view, user: id })} />
              <div className="side">
                <LiveCard live={live} timeZone={view.timeZone} />
                <TopTracks span={span} round={round} />
              </div>
            </div>
          </>
        )}
      </main>
    </>
  );
}

interface PageProps {
  view: View;
  span: Span;
  round: number;
  viewer: Viewer;
  now: Date;
  onChange(view: View): void;
}

function OnePerson({ user, children, ...page }: PageProps & { user: string; children: [React.ReactNode, React.ReactNode] }) {
  const { view, span, round, viewer, onChange } = page;
  const query = useQuery(PersonDocument, { id: user, range: timeRange(span) }, round);
  const own = user === viewer.id;
  const [charts, liveCard] = children;
  return (
    <>
      <Top {...page}>
        <PersonHead query={query} name={own ? viewer.name : user} timeZone={view.timeZone} onBack={viewer.analyst ? () => onChange({ ...view, user: "" }) : undefined} />
      </Top>
      {charts}
      <div className="thirds">
        <PersonCards query={query} timeZone={view.timeZone} />
        {liveCard}
        <TopTracks span={span} round={round} />
      </div>
    </>
  );
}

function Top({ view, span, now, onChange, children }: PageProps & { children: React.ReactNode }) {
  const hours = view.range === "24h";
  return (
    <div className="top">
      <div className="top-title">
        {children}
        <p className="top-range">
          {spanName(span, view.timeZone, hours)}
          {view.compare && <span> compared with {spanName(spanBefore(view, span), view.timeZone, hours)}</span>}
        </p>
      </div>
      <Controls view={view} now={now} onChange={onChange} />
    </div>
  );
}

/** The view in the address bar: going to a person and back are steps of the browser's history, settings are not. */
function useView(): [View, (view: View) => void] {
  const [view, setView] = useState(() => readView(location.search, new Date()));
  useEffect(() => {
    const back = () => setView(readView(location.search, new Date()));
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  const change = (next: View) => {
    const step = next.user !== view.user;
    history[step ? "pushState" : "replaceState"](null, "", printView(next));
    if (step) scrollTo({ top: 0 });
    setView(next);
  };
  return [view, change];
}
