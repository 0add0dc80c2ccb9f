package server

func crowd(addr string) int { return 0 }
