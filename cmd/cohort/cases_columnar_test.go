package main

var columnarCases []fieldCase
