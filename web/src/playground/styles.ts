// GraphiQL's sheets one by one: its own bundle of them, style.css, carries Monaco's a second time and 370 KB of fonts.
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "@graphiql/plugin-explorer/style.css";
import "graphiql/graphiql.css";
import "./playground.css";
