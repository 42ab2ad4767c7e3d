import { mount } from "../page/mount";
import { Dashboard } from "./Dashboard";
import "./dashboard.css";

mount(<Dashboard />, "analyst");
